using System.Net;
using System.Net.Sockets;
using System.Text;

namespace AppHost.Tests;

/// <summary>Machines on which others' software breaks.</summary>
[Trait("Category", "Slow")]
public sealed class PlaceTests
{
    /// <summary>A store with spaces below a folder that only root enters, and a umask for nobody else.</summary>
    [Fact]
    public async Task Machine_WithAPrivateUmaskAnOddStoreAndOddCulture_RunsAChat()
    {
        using var place = new Place("a closed/folder with spaces/and more");
        var closed = place.Folder.CreateSubdirectory("a closed");
        if (!OperatingSystem.IsWindows())
        {
            closed.UnixFileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        }

        var (app, client) = await AppHostProcess.ReadyAsync(
            place, [], shell: "umask 077", environment: new() { ["LANG"] = "tr_TR.UTF-8", ["TZ"] = "Pacific/Chatham" });
        await using var _ = app;
        using (client)
        {
            Assert.Equal(3900, await Users.ChatAsync(client, await Users.NewAsync(client)));
        }
    }

    [Fact]
    public async Task Machine_BehindAProxy_KeepsItsOwnCallsOffItAndSendsAModelsThroughIt()
    {
        using var place = new Place();
        using var proxy = new Proxy();
        var address = $"http://127.0.0.1:{proxy.Port}";
        var (app, client) = await AppHostProcess.ReadyAsync(place, ["--Storage=ephemeral"], environment: new()
        {
            ["http_proxy"] = address, ["https_proxy"] = address, ["all_proxy"] = address, ["no_proxy"] = "",
            ["HTTP_PROXY"] = address, ["HTTPS_PROXY"] = address, ["ALL_PROXY"] = address, ["NO_PROXY"] = "",
            ["Chat__DefaultModel"] = "mock", ["Chat__Models__mock__Provider"] = "mock",
            ["Chat__Models__elsewhere__Endpoint"] = "http://model.invalid/v1",
            ["Chat__Models__elsewhere__ApiKey"] = "secret", ["Chat__Models__elsewhere__Provider"] = "openai",
        });
        await using var _ = app;
        using (client)
        {
            var token = await Users.NewAsync(client);
            Assert.Equal(3900, await Users.ChatAsync(client, token));
            Assert.Empty(proxy.Asked);
            Assert.Equal(HttpStatusCode.BadGateway, await Users.TryChatAsync(client, token, "elsewhere"));
            Assert.NotEmpty(proxy.Asked);
            Assert.All(proxy.Asked, line => Assert.Contains("model.invalid", line, StringComparison.Ordinal));
        }
    }

    /// <summary>A proxy that lets nobody through and notes who came.</summary>
    private sealed class Proxy : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly List<string> _asked = [];

        public Proxy()
        {
            _listener.Start();
            _ = ServeAsync();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public IReadOnlyList<string> Asked
        {
            get
            {
                lock (_asked)
                {
                    return [.. _asked];
                }
            }
        }

        public void Dispose() => _listener.Dispose();

        private async Task ServeAsync()
        {
            try
            {
                while (true)
                {
                    using var client = await _listener.AcceptTcpClientAsync();
                    var buffer = new byte[4096];
                    var length = await client.GetStream().ReadAsync(buffer);
                    lock (_asked)
                    {
                        _asked.Add(Encoding.ASCII.GetString(buffer, 0, length).Split('\r')[0]);
                    }

                    await client.GetStream().WriteAsync(
                        "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"u8.ToArray());
                }
            }
            catch (Exception exception) when (exception is ObjectDisposedException or SocketException or IOException)
            {
                // The test has ended.
            }
        }
    }
}
