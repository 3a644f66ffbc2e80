using System.Net;
using Microsoft.AspNetCore.Http;

namespace Gateway.Tests.Hostile;

/// <summary>Clients that take their time, or all connections. Limits are short here; no test measures time.</summary>
public sealed class SlowClientTests(GatewayFixture system)
{
    private const string Unfinished = "POST /api/chat HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer ";

    private readonly string _token = system.Issuer.CreateToken();

    [Theory]
    [InlineData("GET /api/chat HTTP/1.1\r\nHost: gateway\r\n")]
    [InlineData("GET /api/chat HT")]
    public async Task Headers_ThatDoNotEnd_AreRefused(string start)
    {
        await using var gateway = await StartAsync(chat: null, ("Connections:HeadersTime", "00:00:01"));
        using var connection = await RawConnection.OpenAsync(gateway.ClientOptions.BaseAddress);
        await connection.SendAsync(start);
        Assert.Equal(408, (await connection.ReadAsync())?.Status);
        Assert.Null(await connection.ReadAsync());
    }

    [Fact]
    public async Task Connection_WithNoRequestOnIt_IsClosed()
    {
        await using var gateway = await StartAsync(chat: null, ("Connections:KeepAlive", "00:00:01"));
        using var connection = await RawConnection.OpenAsync(gateway.ClientOptions.BaseAddress);
        await connection.SendAsync("GET /alive HTTP/1.1\r\nHost: gateway\r\n\r\n");
        Assert.Equal(200, (await connection.ReadAsync())?.Status);
        Assert.Null(await connection.ReadAsync());
    }

    [Theory]
    [InlineData("Content-Length: 100000\r\n\r\n{", true)]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", false)] // It may be one that is read beforehand.
    public async Task Body_ThatDoesNotCome_Is408AndTheServiceNeverHasAllOfIt(string body, bool isSentOn)
    {
        var given = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var chat = await Destination.StartAsync(async context =>
        {
            try
            {
                await context.Request.Body.CopyToAsync(Stream.Null);
                given.SetResult(true);
            }
            catch (IOException)
            {
                given.SetResult(false);
            }
        });
        await using var gateway = await StartAsync(chat, ("Connections:Grace", "00:00:01.1"));
        using var connection = await RawConnection.OpenAsync(gateway.ClientOptions.BaseAddress);
        await connection.SendAsync($"{Unfinished}{_token}\r\n{body}");
        var answer = await connection.ReadAsync();
        Assert.Equal(408, answer?.Status);
        Assert.Equal("application/problem+json", answer!.Headers["Content-Type"].Single());
        Assert.Contains("too slowly", answer.Body, StringComparison.Ordinal);
        Assert.Null(await connection.ReadAsync());
        if (isSentOn)
        {
            Assert.False(await given.Task.Soon());
        }

        Assert.Equal(isSentOn ? 1 : 0, chat.Reached.Count(request => request.Method == "POST"));
    }

    /// <summary>It is the client who is slow, and no service, however fast the client is said to have to be.</summary>
    [Theory]
    [InlineData("/api/login", "RequestTime", "Content-Length: 100")]
    [InlineData("/api/login", "RequestTime", "Content-Length: 100000")]
    [InlineData("/api/login", "BodyTime", "Transfer-Encoding: chunked")]
    [InlineData("/api/chat", "BodyTime", "Content-Length: 100")]
    [InlineData("/api/chat", "BodyTime", "Content-Length: 100000")]
    [InlineData("/api/chat", "BodyTime", "Transfer-Encoding: chunked")]
    public async Task Body_ThatIsNotHereInTime_Is408(string path, string setting, string length)
    {
        await using var service = await Destination.StartAsync(context =>
            context.Request.Path.StartsWithSegments("/.well-known")
                ? system.Issuer.ServeAsync(context)
                : context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted));
        await using var gateway = new GatewayServer(("identity", service.Address), ("chat", service.Address))
            .With("Connections:Grace", "00:05:00").With($"Connections:{setting}", "00:00:01");
        await gateway.StartAsync();
        using var connection = await RawConnection.OpenAsync(gateway.ClientOptions.BaseAddress);
        await connection.SendAsync(
            $"POST {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {_token}\r\n{length}\r\n\r\n1\r\n");
        var answer = await connection.ReadAsync();
        Assert.Equal(408, answer?.Status);
        Assert.Contains("too slowly", answer!.Body, StringComparison.Ordinal);
        Assert.Null(await connection.ReadAsync());
    }

    /// <summary>Patience with a client whose request is refused anyway has an end.</summary>
    [Fact]
    public async Task Body_OverTheLimit_ThatDoesNotCome_Is413()
    {
        await using var gateway = await StartAsync(chat: null, ("Connections:Grace", "00:05:00"));
        using var connection = await RawConnection.OpenAsync(gateway.ClientOptions.BaseAddress);
        await connection.SendAsync($"{Unfinished}{_token}\r\nContent-Length: 1000000\r\n\r\n{{");
        Assert.Equal(413, (await connection.ReadAsync())?.Status);
        Assert.Null(await connection.ReadAsync());
    }

    /// <summary>A stream of events may be silent for longer than a slow client may be slow.</summary>
    [Fact]
    public async Task Stream_ThatIsSilent_IsNotCut()
    {
        await using var chat = await Destination.StartAsync(async context =>
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync("data: one\n\n");
            await context.Response.Body.FlushAsync();
            await Task.Delay(TimeSpan.FromSeconds(4), context.RequestAborted); // What is tested: a long silence.
            await context.Response.WriteAsync("data: two\n\n");
        });
        await using var gateway = await StartAsync(
            chat, ("Connections:Grace", "00:00:01.1"), ("Connections:RequestTime", "00:00:01"),
            ("Connections:KeepAlive", "00:00:01"), ("Connections:HeadersTime", "00:00:01"));
        using var client = gateway.CreateClient();
        using var response = await client.CallAsync("POST", "/api/chat", _token);
        Assert.Equal(
            "data: one\n\ndata: two\n\n",
            await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken).Soon());
    }

    /// <summary>Who does not take what was written is cut off, and the service hears of it.</summary>
    [Fact]
    public async Task Client_WhoDoesNotRead_IsGoneForTheServiceToo()
    {
        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var chat = await Destination.StartAsync(async context =>
        {
            context.RequestAborted.Register(() => gone.TrySetResult());
            var piece = new byte[64 * 1024];
            while (!context.RequestAborted.IsCancellationRequested)
            {
                await context.Response.Body.WriteAsync(piece, context.RequestAborted);
            }
        });
        // So that what the machine itself takes in for the client is no reason to wait.
        await using var gateway = await StartAsync(
            chat, ("Connections:Grace", "00:00:01.1"), ("Connections:MinRate", "1000000"));
        using var connection = await RawConnection.OpenAsync(gateway.ClientOptions.BaseAddress);
        await connection.SendAsync($"{Unfinished}{_token}\r\nContent-Length: 0\r\n\r\n");
        await gone.Task.Soon();
    }

    [Theory]
    [InlineData("GET", "/api/tokens")]
    [InlineData("POST", "/api/login")]
    [InlineData("DELETE", "/api/me")]
    public async Task Service_ThatTakesTooLong_Is504WithASentence(string method, string path)
    {
        await using var slow = await Destination.StartAsync(context =>
            Task.Delay(Timeout.Infinite, context.RequestAborted));
        await using var identity = await Destination.StartAsync(context =>
            context.Request.Path.StartsWithSegments("/.well-known")
                ? system.Issuer.ServeAsync(context)
                : Task.Delay(Timeout.Infinite, context.RequestAborted));
        await using var gateway = new GatewayServer(("identity", identity.Address), ("ledger", slow.Address))
            .With("Connections:RequestTime", "00:00:01");
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        using var response = await client.CallAsync(method, path, _token);
        await response.ProblemAsync(HttpStatusCode.GatewayTimeout);
        Assert.NotNull(response.Headers.RetryAfter);
    }

    [Fact]
    public async Task Connections_BeyondTheLimit_AreClosed_AndFreeOnesAreGivenAgain()
    {
        await using var gateway = await StartAsync(chat: null, ("Connections:Max", "2"));
        var address = gateway.ClientOptions.BaseAddress;
        using var one = await AliveAsync(address);
        using (await AliveAsync(address))
        {
            using var third = await RawConnection.OpenAsync(address);
            await third.SendAsync("GET /alive HTTP/1.1\r\nHost: gateway\r\n\r\n");
            Assert.Null(await third.ReadAsync());
        }

        for (RawAnswer? answer = null; answer is null;)
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            using var again = await RawConnection.OpenAsync(address);
            await again.SendAsync("GET /alive HTTP/1.1\r\nHost: gateway\r\n\r\n");
            answer = await again.ReadAsync(); // The gateway may not have noticed yet that the second one is gone.
        }
    }

    private static async Task<RawConnection> AliveAsync(Uri address)
    {
        var connection = await RawConnection.OpenAsync(address);
        await connection.SendAsync("GET /alive HTTP/1.1\r\nHost: gateway\r\n\r\n");
        Assert.Equal(200, (await connection.ReadAsync())?.Status);
        return connection;
    }

    private async Task<GatewayServer> StartAsync(Destination? chat, params (string Key, string Value)[] settings)
    {
        var gateway = new GatewayServer(
            ("identity", system.Replicas("identity")[0].Address), ("chat", chat?.Address ?? "http://127.0.0.1:1"));
        foreach (var (key, value) in settings)
        {
            gateway.With(key, value);
        }

        await gateway.StartAsync();
        return gateway;
    }
}
