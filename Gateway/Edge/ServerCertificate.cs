using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Options;

namespace Gateway.Edge;

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
            Load(Read());
            return null;
        }
        catch (Exception exception) when (IsOfTheFiles(exception))
        {
            return $"The certificate in 'Https:Certificate:Path', '{Path}', cannot be used: {exception.Message}";
        }
    }

    /// <summary>Whether a failure is that of files which are missing, unreadable, or do not belong together.</summary>
    public static bool IsOfTheFiles(Exception exception) => exception is CryptographicException or IOException
        or UnauthorizedAccessException or ArgumentException;

    /// <summary>Reads the files.</summary>
    public (byte[] Certificate, byte[] Key) Read() =>
        (File.ReadAllBytes(Path!), KeyPath is null ? [] : File.ReadAllBytes(KeyPath));

    /// <summary>Makes of the files what a handshake needs: the certificate with its chain.</summary>
    /// <param name="files">What was read.</param>
    public SslStreamCertificateContext Load((byte[] Certificate, byte[] Key) files)
    {
        var all = new X509Certificate2Collection();
        if (KeyPath is null)
        {
            all = X509CertificateLoader.LoadPkcs12Collection(files.Certificate, Password);
            var own = all.FirstOrDefault(certificate => certificate.HasPrivateKey)
                ?? throw new CryptographicException("There is no private key in it.");
            return SslStreamCertificateContext.Create(own, all);
        }

        var (text, key) = (Encoding.UTF8.GetString(files.Certificate), Encoding.UTF8.GetString(files.Key));
        all.ImportFromPem(text);
        using var pair = Password is null
            ? X509Certificate2.CreateFromPem(text, key)
            : X509Certificate2.CreateFromEncryptedPem(text, key, Password);
        // By way of PFX, since Windows shows nobody a key that is in memory only.
        var certificate = X509CertificateLoader.LoadPkcs12(pair.Export(X509ContentType.Pfx), password: null);
        return SslStreamCertificateContext.Create(certificate, all);
    }
}

/// <summary>
/// The certificate of all addresses with https. The files are so small that to see whether they have changed they are
/// read, which also sees through links that are moved, as Kubernetes and certbot do.
/// </summary>
/// <param name="settings">Where the files are.</param>
/// <param name="clock">The time.</param>
/// <param name="logger">Says when there is another one.</param>
internal sealed class ServerCertificate(
    IOptions<HttpsSettings> settings, TimeProvider clock, ILogger<ServerCertificate> logger) : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(2);

    private readonly CertificateFiles _files = settings.Value.Certificate;
    private (byte[] Certificate, byte[] Key) _seen;
    private SslStreamCertificateContext? _current;

    /// <summary>Gets the newest that can be used.</summary>
    public SslStreamCertificateContext Current => Volatile.Read(ref _current) ?? Look();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(LookEvery, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                Look();
            }
            catch (Exception exception) when (CertificateFiles.IsOfTheFiles(exception))
            {
                // Perhaps one of two files is here by now: the other one is a change too.
                logger.LogWarning(
                    "The certificate stays as it was, the new one is of no use: {Why}", exception.Message);
            }
        }
    }

    /// <summary>
    /// Takes what is in the files, if it is not the same. What was of no use once is not tried again.
    /// </summary>
    private SslStreamCertificateContext Look()
    {
        var files = _files.Read();
        if (_current is null
            || !files.Certificate.SequenceEqual(_seen.Certificate) || !files.Key.SequenceEqual(_seen.Key))
        {
            var isFirst = _current is null;
            _seen = files;
            Volatile.Write(ref _current, _files.Load(files));
            if (!isFirst)
            {
                logger.LogInformation("There is a new certificate: {Subject}", _current!.TargetCertificate.Subject);
            }
        }

        return _current!;
    }
}
