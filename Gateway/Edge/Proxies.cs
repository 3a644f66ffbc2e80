using System.Net;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.Options;

namespace Gateway.Edge;

/// <summary>Who is asking, where other proxies stand before the gateway.</summary>
internal static class Proxies
{
    private const string Section = "Proxies";

    /// <summary>
    /// Makes UseForwardedHeaders believe <c>X-Forwarded-For</c> and <c>X-Forwarded-Proto</c> of the addresses and
    /// networks in the list <c>Proxies</c>, and of nobody else. Without the list they mean nothing, whoever sends them.
    /// </summary>
    /// <param name="builder">The gateway's builder.</param>
    public static void AddProxies(this IHostApplicationBuilder builder)
    {
        var proxies = builder.Configuration.GetSection(Section).Get<string[]>() ?? [];
        // After all others: ASPNETCORE_FORWARDEDHEADERS_ENABLED, which deployments set, believes everybody.
        builder.Services.AddOptions<ForwardedHeadersOptions>().ValidateOnStart().PostConfigure(options =>
        {
            options.ForwardedHeaders = proxies.Length == 0
                ? ForwardedHeaders.None
                : ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto;
            options.ForwardLimit = null; // As many as there are, up to the first that is not in the list.
            options.KnownProxies.Clear();
            options.KnownIPNetworks.Clear();
            foreach (var proxy in proxies)
            {
                Add(options, proxy);
            }
        });
    }

    private static void Add(ForwardedHeadersOptions options, string proxy)
    {
        if (IPAddress.TryParse(proxy, out var address))
        {
            options.KnownProxies.Add(address);
        }
        else if (System.Net.IPNetwork.TryParse(proxy, out var network))
        {
            options.KnownIPNetworks.Add(network);
        }
        else
        {
            throw new OptionsValidationException(
                Section, typeof(ForwardedHeadersOptions),
                [$"'{proxy}' in 'Proxies' is no address such as 10.0.0.7 and no network such as 10.0.0.0/8."]);
        }
    }
}
