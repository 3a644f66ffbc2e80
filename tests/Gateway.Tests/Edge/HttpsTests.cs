using System.Net;
using System.Net.Quic;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Gateway.Tests.Hostile;

namespace Gateway.Tests.Edge;

/// <summary>HTTPS with a certificate of the operator's, here one that the test has signed itself.</summary>
public sealed class HttpsTests : IDisposable
{
    private const string Host = "chat.example";
    private const string Password = "a password";

    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-https-").FullName;
    private readonly X509Certificate2 _certificate;

    public HttpsTests()
    {
        _certificate = Certificates.Create(Host);
        File.WriteAllText(InFolder("cert.pem"), _certificate.ExportCertificatePem());
        File.WriteAllText(InFolder("key.pem"), _certificate.ExportKeyPem());
        File.WriteAllBytes(InFolder("cert.pfx"), _certificate.Export(X509ContentType.Pfx, Password));
        using var another = Certificates.Create(Host);
        File.WriteAllText(InFolder("another-key.pem"), another.ExportKeyPem());
    }

    [Fact]
    public async Task Request_ByHttps_IsHttp2WithHsts_AndPlainHttpStays()
    {
        using var gateway = await GatewayProcess.StartAsync(Pem());
        using var client = CreateClient(gateway);
        using var secure = await SendAsync(client, "https", gateway.Https, HttpVersion.Version20);
        Assert.Equal((HttpStatusCode.OK, HttpVersion.Version20), (secure.StatusCode, secure.Version));
        Assert.Equal("max-age=2592000", Assert.Single(secure.Headers.GetValues("Strict-Transport-Security")));

        using var old = await SendAsync(client, "https", gateway.Https, HttpVersion.Version11);
        Assert.Equal((HttpStatusCode.OK, HttpVersion.Version11), (old.StatusCode, old.Version));

        using var plain = await SendAsync(client, "http", gateway.Http, HttpVersion.Version11);
        Assert.Equal(HttpStatusCode.OK, plain.StatusCode);
        Assert.False(plain.Headers.Contains("Strict-Transport-Security"));

        // Where the machine has QUIC, HTTP/3 is offered on the same port; elsewhere it is not.
        Assert.Equal(QuicListener.IsSupported, secure.Headers.TryGetValues("Alt-Svc", out var services));
        Assert.All(services ?? [], service => Assert.Contains($"h3=\":{gateway.Https.Port}\"", service));
        if (QuicListener.IsSupported && QuicConnection.IsSupported)
        {
            using var newest = await SendAsync(client, "https", gateway.Https, HttpVersion.Version30);
            Assert.Equal((HttpStatusCode.OK, HttpVersion.Version30), (newest.StatusCode, newest.Version));
        }
    }

    [Fact]
    public async Task Certificate_InAPfxFile_IsTaken()
    {
        using var gateway = await GatewayProcess.StartAsync(
            $"--Https:Certificate:Path={InFolder("cert.pfx")}", $"--Https:Certificate:Password={Password}",
            "--Https:Hsts=365.00:00:00");
        using var client = CreateClient(gateway);
        using var response = await SendAsync(client, "https", gateway.Https, HttpVersion.Version20);
        Assert.Equal("max-age=31536000", Assert.Single(response.Headers.GetValues("Strict-Transport-Security")));
    }

    /// <summary>While only one of the files is there the old one stays.</summary>
    [Fact]
    public async Task Certificate_ThatTakesTheOldOnesPlace_IsTakenWithoutARestart()
    {
        using var gateway = await GatewayProcess.StartAsync(Pem());
        Assert.Equal(_certificate.Thumbprint, (await PresentedAsync(gateway)).Own);

        using var renewed = Certificates.Create(Host);
        File.WriteAllText(InFolder("cert.pem"), renewed.ExportCertificatePem());
        await gateway.WrittenAsync("The certificate stays as it was");
        Assert.Equal(_certificate.Thumbprint, (await PresentedAsync(gateway)).Own);

        File.WriteAllText(InFolder("key.pem"), renewed.ExportKeyPem());
        await gateway.WrittenAsync("There is a new certificate");
        Assert.Equal(renewed.Thumbprint, (await PresentedAsync(gateway)).Own);
    }

    [Theory]
    [InlineData("cert.pem")]
    [InlineData("cert.pfx")]
    public async Task Certificate_WithAChain_IsShownWithIt(string file)
    {
        using var root = Certificates.Create("root", isAuthority: true);
        using var middle = Certificates.Create("middle", isAuthority: true, issuer: root);
        using var own = Certificates.Create(Host, isAuthority: false, issuer: middle);
        File.WriteAllText(InFolder("cert.pem"), own.ExportCertificatePem() + "\n" + middle.ExportCertificatePem());
        File.WriteAllText(InFolder("key.pem"), own.ExportKeyPem());
        using var inPublic = X509CertificateLoader.LoadCertificate(middle.RawData);
        File.WriteAllBytes(
            InFolder("cert.pfx"),
            new X509Certificate2Collection { own, inPublic }.Export(X509ContentType.Pfx, Password)!);
        using var gateway = await GatewayProcess.StartAsync(
            file == "cert.pem"
                ? Pem()
                : [$"--Https:Certificate:Path={InFolder(file)}", $"--Https:Certificate:Password={Password}"]);
        var presented = await PresentedAsync(gateway);
        Assert.Equal(own.Thumbprint, presented.Own);
        Assert.Contains(middle.Thumbprint, presented.Others);
    }

    [Fact]
    public async Task Request_ByPlainHttp_IsSentToHttpsWhereThatIsWanted_ButNoProbe()
    {
        using var gateway = await GatewayProcess.StartAsync([.. Pem(), "--Https:Redirect=true", "--Https:Port=8443"]);
        using var client = CreateClient(gateway);
        using var response = await SendAsync(client, "http", gateway.Http, HttpVersion.Version11, "/api/chat?limit=1");
        Assert.Equal(HttpStatusCode.PermanentRedirect, response.StatusCode);
        Assert.Equal($"https://{Host}:8443/api/chat?limit=1", response.Headers.Location?.OriginalString);
        foreach (var path in new[] { "/alive", "/health" })
        {
            using var probe = await SendAsync(client, "http", gateway.Http, HttpVersion.Version11, path);
            Assert.NotEqual(HttpStatusCode.PermanentRedirect, probe.StatusCode);
        }

        await AssertRefusedAsync(gateway, "GET /api/chat?x=\u0001 HTTP/1.1\r\nHost: gateway\r\n\r\n");
        await AssertRefusedAsync(gateway, "GET /api/chat?x=\u007f HTTP/1.1\r\nHost: gateway\r\n\r\n");
        await AssertRefusedAsync(gateway, "GET /api/chat HTTP/1.1\r\nHost:\r\n\r\n"); // To nowhere.
        await AssertRefusedAsync(gateway, "GET /api/chat HTTP/1.0\r\n\r\n");
    }

    [Theory]
    [InlineData("cert.pem", null, null)] // A PEM file needs a key beside it.
    [InlineData("cert.pem", "cert.pem", null)]
    [InlineData("cert.pem", "nothing.pem", null)]
    [InlineData("cert.pem", "another-key.pem", null)]
    [InlineData("cert.pem", "", null)]
    [InlineData("cert.pfx", null, "another password")]
    [InlineData("nothing.pfx", null, null)]
    public async Task Certificate_ThatCannotBeUsed_IsNamedAndStopsTheStart(string path, string? key, string? password)
    {
        var (exitCode, error) = await GatewayProcess.RunAsync(
            [
                $"--Https:Certificate:Path={InFolder(path)}",
                .. key is null ? Array.Empty<string>()
                    : [$"--Https:Certificate:KeyPath={(key.Length > 0 ? InFolder(key) : key)}"],
                .. password is null ? Array.Empty<string>() : [$"--Https:Certificate:Password={password}"],
            ]);
        Assert.Equal(1, exitCode);
        Assert.Contains($"'{InFolder(path)}', cannot be used", error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _certificate.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static async Task AssertRefusedAsync(GatewayProcess gateway, string request)
    {
        using var connection = await RawConnection.OpenAsync(gateway.Http);
        await connection.SendAsync(request);
        var answer = await connection.ReadAsync();
        Assert.Equal(400, answer?.Status);
        Assert.Equal("application/problem+json", answer!.Headers["Content-Type"].Single());
    }

    /// <summary>What a new connection is shown.</summary>
    private static async Task<(string Own, string[] Others)> PresentedAsync(GatewayProcess gateway)
    {
        (string Own, string[] Others) presented = default;
        using var client = new System.Net.Sockets.TcpClient();
        await client.ConnectAsync(gateway.Https.Host, gateway.Https.Port, TestContext.Current.CancellationToken);
        await using var stream = new SslStream(client.GetStream());
        await stream.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = Host,
                RemoteCertificateValidationCallback = (_, own, chain, _) =>
                {
                    var others = chain!.ChainPolicy.ExtraStore.Select(certificate => certificate.Thumbprint);
                    presented = (own!.GetCertHashString(), [.. others]);
                    return true;
                },
            },
            TestContext.Current.CancellationToken).Soon();
        return presented;
    }

    private static Task<HttpResponseMessage> SendAsync(
        HttpClient client, string scheme, Uri gateway, Version version, string path = "/alive") => client.SendAsync(
        new HttpRequestMessage(HttpMethod.Get, $"{scheme}://{Host}:{gateway.Port}{path}")
        {
            Version = version,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        },
        TestContext.Current.CancellationToken).Soon();

    /// <summary>A client that finds the host on this machine, and trusts the one certificate.</summary>
    private HttpClient CreateClient(GatewayProcess gateway) => new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        ConnectCallback = async (connection, cancellationToken) =>
        {
            var socket = new System.Net.Sockets.Socket(
                System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp);
            await socket.ConnectAsync(
                IPAddress.Parse(gateway.Https.Host), connection.DnsEndPoint.Port, cancellationToken);
            return new System.Net.Sockets.NetworkStream(socket, ownsSocket: true);
        },
        SslOptions = new SslClientAuthenticationOptions
        {
            RemoteCertificateValidationCallback = (_, presented, _, errors) =>
                presented?.GetCertHashString() == _certificate.GetCertHashString()
                && !errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch),
        },
    });

    private string InFolder(string file) => Path.Combine(_folder, file);

    private string[] Pem() =>
        [$"--Https:Certificate:Path={InFolder("cert.pem")}", $"--Https:Certificate:KeyPath={InFolder("key.pem")}"];
}
