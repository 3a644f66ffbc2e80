using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Http.Features;
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
    public static void AddProxies(this IHostApplicationBuilder builder)
    {
        var section = builder.Configuration.GetSection(Section);
        var proxies = section.Get<string[]>() ?? [];
        // After all others: ASPNETCORE_FORWARDEDHEADERS_ENABLED, which deployments set, believes everybody.
        builder.Services.AddOptions<ForwardedHeadersOptions>().ValidateOnStart().PostConfigure(options =>
        {
            if (Settings.Problems(section, typeof(string[])).ToList() is { Count: > 0 } problems)
            {
                throw new OptionsValidationException(Section, typeof(ForwardedHeadersOptions), problems);
            }

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

    /// <summary>
    /// Finds out who is asking. A scheme other than http and https is none that a client can have used.
    /// </summary>
    public static void UseProxies(this WebApplication app)
    {
        app.UseForwardedHeaders();
        app.Use((context, next) =>
        {
            context.Request.Scheme = context.Request.Scheme.ToLowerInvariant();
            if (context.Request.Scheme is not ("http" or "https"))
            {
                context.Request.Scheme = context.Features.Get<ITlsConnectionFeature>() is null ? "http" : "https";
            }

            return next(context);
        });
    }

    private static void Add(ForwardedHeadersOptions options, string proxy)
    {
        if (IPAddress.TryParse(proxy, out var address) && IsInFull(address, proxy))
        {
            options.KnownProxies.Add(address);
        }
        else if (System.Net.IPNetwork.TryParse(proxy, out var network)
            && IsInFull(network.BaseAddress, proxy[..proxy.IndexOf('/', StringComparison.Ordinal)]))
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

    /// <summary>The framework takes 10 for 0.0.0.10, and 010.0.0.7 for 8.0.0.7.</summary>
    private static bool IsInFull(IPAddress address, string text) =>
        address.AddressFamily is not AddressFamily.InterNetwork || address.ToString() == text;
}
