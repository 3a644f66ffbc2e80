using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Gateway.Tests.Edge;

/// <summary>Certificates that are good for a day.</summary>
internal static class Certificates
{
    /// <param name="name">The host, or the authority.</param>
    /// <param name="isAuthority">Whether it may sign others.</param>
    /// <param name="issuer">Who signs it; itself when null.</param>
    public static X509Certificate2 Create(string name, bool isAuthority = false, X509Certificate2? issuer = null)
    {
        var (from, to) = (DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, critical: true));
        if (issuer is null)
        {
            return request.CreateSelfSigned(from, to);
        }

        // No later than its issuer, which was made some milliseconds ago.
        using var signed = request.Create(issuer, issuer.NotBefore, issuer.NotAfter, Guid.NewGuid().ToByteArray());
        return signed.CopyWithPrivateKey(key);
    }

    public static string ExportKeyPem(this X509Certificate2 certificate)
    {
        using var key = certificate.GetECDsaPrivateKey()!;
        return key.ExportPkcs8PrivateKeyPem();
    }
}
