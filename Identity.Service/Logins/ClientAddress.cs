using Microsoft.AspNetCore.HttpOverrides;

namespace Identity.Service;

/// <summary>Who is asking: the client's address, which only the gateway knows.</summary>
internal static class ClientAddress
{
    /// <summary>
    /// Makes UseForwardedHeaders take the address from <c>X-Forwarded-For</c>, of which the gateway writes the whole
    /// value, when the request comes from <see cref="LoginOptions.KnownProxies"/>. From anybody else it means nothing.
    /// </summary>
    public static void AddClientAddress(this IHostApplicationBuilder builder) => builder.Services
        .AddOptions<ForwardedHeadersOptions>().Configure<LoginOptions>((forwarded, login) =>
        {
            forwarded.ForwardedHeaders = ForwardedHeaders.XForwardedFor;
            if (login.KnownProxies.Count > 0)
            {
                forwarded.KnownProxies.Clear(); // This machine, by default.
                forwarded.KnownIPNetworks.Clear();
            }

            foreach (var network in login.KnownProxies)
            {
                forwarded.KnownIPNetworks.Add(System.Net.IPNetwork.Parse(network));
            }
        });
}
