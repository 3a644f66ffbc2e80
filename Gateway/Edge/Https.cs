using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Net;
using System.Net.Security;
using Microsoft.AspNetCore.HttpsPolicy;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Options;

namespace Gateway.Edge;

/// <summary>The section <c>Https</c> of the configuration.</summary>
internal sealed class HttpsSettings : IValidatableObject
{
    /// <summary>The port by which clients reach the gateway's HTTPS.</summary>
    [Range(1, 65_535)]
    public int? Port { get; init; }

    /// <summary>Whether requests by plain HTTP are sent to HTTPS.</summary>
    public bool Redirect { get; init; }

    /// <summary>For how long browsers shall use nothing but HTTPS (RFC 6797).</summary>
    [Range(typeof(TimeSpan), "00:00:00", "730.00:00:00")]
    public TimeSpan Hsts { get; init; } = TimeSpan.FromDays(30);

    /// <summary>The certificate of all addresses with https.</summary>
    public CertificateFiles Certificate { get; init; } = new();

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Redirect && Port is null)
        {
            yield return new("'Https:Redirect' needs 'Https:Port', the port to send clients to.");
        }

        if (Certificate.Problem() is { } problem)
        {
            yield return new(problem);
        }
    }
}

/// <summary>HTTPS with a certificate of the operator's.</summary>
internal static class Https
{
    /// <summary>Hosts that browsers shall not remember: another program may be there tomorrow.</summary>
    private static readonly HashSet<string> Local =
        new(["localhost", "127.0.0.1", "[::1]"], StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// Takes the section <c>Https</c>. A certificate that cannot be used stops the start; one that takes its place
    /// later is taken by each new connection.
    /// </summary>
    public static void AddHttps(this WebApplicationBuilder builder)
    {
        builder.AddSettings<HttpsSettings>("Https");
        if (builder.Configuration["Https:Certificate:Path"] is not null)
        {
            builder.Services.AddSingleton<ServerCertificate>();
            builder.Services.AddHostedService(services => services.GetRequiredService<ServerCertificate>());
            builder.TakeAddresses();
        }

        builder.Services.AddOptions<HttpsRedirectionOptions>().Configure<IOptions<HttpsSettings>>((redirect, https) =>
        {
            redirect.HttpsPort = https.Value.Port;
            redirect.RedirectStatusCode = StatusCodes.Status308PermanentRedirect; // A POST stays one.
        });
    }

    /// <summary>
    /// Listens on the addresses of <c>ASPNETCORE_URLS</c> in Kestrel's place, which never asks again for the
    /// certificate of such an address.
    /// </summary>
    private static void TakeAddresses(this WebApplicationBuilder builder)
    {
        var addresses = Parts(WebHostDefaults.ServerUrlsKey) is { Length: > 0 } urls ? urls :
        [
            .. Parts(WebHostDefaults.HttpPortsKey).Select(port => $"http://*:{port}"),
            .. Parts(WebHostDefaults.HttpsPortsKey).Select(port => $"https://*:{port}"),
        ];
        builder.Services.AddOptions<KestrelServerOptions>().Configure<ServerCertificate>((kestrel, certificate) =>
        {
            foreach (var address in addresses.Select(BindingAddress.Parse))
            {
                Listen(kestrel, address, endpoint =>
                {
                    if (address.Scheme == Uri.UriSchemeHttps)
                    {
                        endpoint.Protocols = HttpProtocols.Http1AndHttp2AndHttp3; // The third where there is QUIC.
                        endpoint.UseHttps(new TlsHandshakeCallbackOptions
                        {
                            OnConnection = _ => new(new SslServerAuthenticationOptions
                            {
                                ServerCertificateContext = certificate.Current,
                            }),
                        });
                    }
                });
            }
        });

        string[] Parts(string key) => (builder.Configuration[key] ?? "")
            .Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }

    private static void Listen(KestrelServerOptions kestrel, BindingAddress address, Action<ListenOptions> configure)
    {
        if (address.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase))
        {
            kestrel.ListenLocalhost(address.Port, configure);
        }
        else if (IPAddress.TryParse(address.Host, out var ip))
        {
            kestrel.Listen(ip, address.Port, configure);
        }
        else
        {
            kestrel.ListenAnyIP(address.Port, configure); // "*", "+" and names: as Kestrel takes them.
        }
    }

    /// <summary>Redirects to HTTPS if told to.</summary>
    public static void UseHttps(this WebApplication app)
    {
        app.UseWhen(MayRedirect, plain =>
        {
            plain.Use(RefuseWithoutHostAsync);
            plain.UseHttpsRedirection();
        });
    }

    /// <summary>
    /// Sets <c>Strict-Transport-Security</c> on an answer by HTTPS. The framework's own middleware sets it too early:
    /// an error takes it away again.
    /// </summary>
    public static void SetStrictTransport(this HttpContext context)
    {
        if (context.Request.IsHttps && !Local.Contains(context.Request.Host.Host))
        {
            var age = context.RequestServices.GetRequiredService<IOptions<HttpsSettings>>().Value.Hsts;
            context.Response.Headers.StrictTransportSecurity =
                string.Create(CultureInfo.InvariantCulture, $"max-age={(long)age.TotalSeconds}");
        }
    }

    /// <summary>Probes of health stay where they are: they come from near, and know no certificate.</summary>
    private static bool MayRedirect(HttpContext context) =>
        context.RequestServices.GetRequiredService<IOptions<HttpsSettings>>().Value.Redirect
        && !context.Request.Path.StartsWithSegments("/health") && !context.Request.Path.StartsWithSegments("/alive");

    /// <summary>An address without a host leads nowhere.</summary>
    private static Task RefuseWithoutHostAsync(HttpContext context, RequestDelegate next) =>
        context.Request.IsHttps || context.Request.Host.Host.Length > 0
            ? next(context)
            : Problems.Refusal(
                StatusCodes.Status400BadRequest, "no_host", "Say in the header Host whom this request is for.")
                .ExecuteAsync(context);
}
