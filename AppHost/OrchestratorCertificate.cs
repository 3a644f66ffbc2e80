using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AppHost.Servers;
using Microsoft.Extensions.DependencyInjection;

namespace AppHost;

#pragma warning disable ASPIRECERTIFICATES001 // Nothing else tells the orchestrator which certificate to use.

/// <summary>
/// A certificate for the API of Aspire's orchestrator, made once. Without one the orchestrator makes an RSA key of
/// 4,096 bits at each start, which takes 1 to 4 s. It is used for nothing else and trusted by nobody else.
/// </summary>
internal sealed class OrchestratorCertificate : IDeveloperCertificateService
{
    /// <summary>Marks certificates of development, the only ones that Aspire hands on.</summary>
    private const string DevelopmentOid = "1.3.6.1.4.1.311.84.1.1";

    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(365);
    private static readonly TimeSpan Reserve = TimeSpan.FromDays(7);

    /// <inheritdoc/>
    public ImmutableList<X509Certificate2> Certificates => field ??= [LoadOrMake()];

    /// <inheritdoc/>
    public bool SupportsContainerTrust => false;

    /// <inheritdoc/>
    public bool UseForHttps => false;

    /// <inheritdoc/>
    public bool TrustCertificate => false;

    private static X509Certificate2? TryLoad(string path)
    {
        try
        {
            return X509Certificate2.CreateFromPemFile(path);
        }
        catch (Exception exception)
            when (exception is IOException or UnauthorizedAccessException or CryptographicException)
        {
            return null;
        }
    }

    private static X509Certificate2 LoadOrMake()
    {
        var path = Path.Combine(ServerFolders.DefaultStore, "orchestrator.pem");
        if (TryLoad(path) is { } known && known.NotAfter > DateTime.Now + Reserve)
        {
            return known;
        }

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509Extension(DevelopmentOid, [4], critical: false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(System.Net.IPAddress.Loopback);
        names.AddIpAddress(System.Net.IPAddress.IPv6Loopback);
        request.CertificateExtensions.Add(names.Build());
        var made = request.CreateSelfSigned(DateTimeOffset.Now.AddDays(-1), DateTimeOffset.Now + Lifetime);
        ServerFolders.CreateOpen(ServerFolders.DefaultStore);
        var half = $"{path}.{Environment.ProcessId}"; // Another AppHost may make one at this moment.
        ServerFolders.WritePrivate(half, $"{made.ExportCertificatePem()}\n{key.ExportPkcs8PrivateKeyPem()}\n");
        File.Move(half, path, overwrite: true);
        return made;
    }
}

/// <summary>Adds the certificate.</summary>
internal static class OrchestratorCertificateExtensions
{
    /// <summary>Lets the orchestrator start without making a key.</summary>
    public static void AddOrchestratorCertificate(this IDistributedApplicationBuilder builder) =>
        builder.Services.AddSingleton<IDeveloperCertificateService, OrchestratorCertificate>();
}
