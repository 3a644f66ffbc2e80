using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.HttpsPolicy;
using Microsoft.AspNetCore.Server.Kestrel.Core;
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

/// <summary>Where a certificate is.</summary>
internal sealed record CertificateFiles
{
    /// <summary>A PEM file, with the chain if there is one, or a PFX file.</summary>
    public string? Path { get; init; }

    /// <summary>The PEM file of the private key.</summary>
    public string? KeyPath { get; init; }

    /// <summary>What opens the key, or the PFX file.</summary>
    public string? Password { get; init; }

    /// <summary>What is wrong with it, in a sentence; null when it can be used, or is not wanted.</summary>
    public string? Problem()
    {
        if (Path is null)
        {
            return KeyPath is null ? null : "'Https:Certificate:KeyPath' needs 'Https:Certificate:Path'.";
        }

        try
        {
            using var certificate = (KeyPath, Password) switch
            {
                (null, _) => X509CertificateLoader.LoadPkcs12FromFile(Path, Password),
                (_, null) => X509Certificate2.CreateFromPemFile(Path, KeyPath),
                _ => X509Certificate2.CreateFromEncryptedPemFile(Path, Password, KeyPath),
            };
            return certificate.HasPrivateKey ? null : $"The certificate in '{Path}' has no private key.";
        }
        catch (Exception exception) when (exception is CryptographicException or IOException
            or UnauthorizedAccessException)
        {
            return $"The certificate in 'Https:Certificate:Path', '{Path}', cannot be used: {exception.Message}";
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
    /// Takes the section <c>Https</c>. Kestrel reads the certificate by itself, its whole chain, and again when the
    /// file changes. A certificate that cannot be used stops the start.
    /// </summary>
    /// <param name="builder">The gateway's builder.</param>
    public static void AddHttps(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<HttpsSettings>().BindConfiguration("Https")
            .ValidateDataAnnotations().ValidateOnStart();
        builder.Configuration.AddInMemoryCollection(
            from part in builder.Configuration.GetSection("Https:Certificate").AsEnumerable(makePathsRelative: true)
            where part.Value is not null
            select KeyValuePair.Create($"Kestrel:Certificates:Default:{part.Key}", part.Value));
        // HTTP/3 where the system has QUIC. By plain HTTP it is 1.1 in any case.
        builder.Services.Configure<KestrelServerOptions>(kestrel => kestrel.ConfigureEndpointDefaults(endpoint =>
            endpoint.Protocols = HttpProtocols.Http1AndHttp2AndHttp3));
        builder.Services.AddOptions<HttpsRedirectionOptions>().Configure<IOptions<HttpsSettings>>((redirect, https) =>
        {
            redirect.HttpsPort = https.Value.Port;
            redirect.RedirectStatusCode = StatusCodes.Status308PermanentRedirect; // A POST stays one.
        });
    }

    /// <summary>Redirects to HTTPS if told to.</summary>
    /// <param name="app">The gateway.</param>
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
    /// <param name="context">The request.</param>
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
