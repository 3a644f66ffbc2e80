using System.Net;
using System.Net.Sockets;
using System.Text;
using Chat.Service;

namespace Chat.Tests;

/// <summary>
/// Clients that leave, and clients that do not read. Before the model has ended nothing is stored and all is released;
/// from then on the chat is stored and paid, whoever is still there.
/// </summary>
public sealed class CutStreamTests(ChatDatabase database)
{
    private static readonly object Hello = new { message = "hello" };

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Client_ThatLeavesBeforeTheFirstPiece_LeavesTheModelAndIsGivenItBack(bool isStream)
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        using var left = new CancellationTokenSource();
        host.Model = ScriptedModel.NeverAnswers();
        var call = isStream ? client.StreamAsync("/scripted", Hello, cancellation: left.Token)
            : client.PostAsync("/scripted", System.Net.Http.Json.JsonContent.Create(Hello), left.Token);
        await host.Model.Asked.Soon();
        await left.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await host.Model.Left.Soon();
        await AssertReleasedAsync(host);
    }

    [Fact]
    public async Task Client_ThatLeavesInTheMiddle_LeavesTheModelAndIsGivenItBack()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        host.Model = ScriptedModel.Streams(cancelled => Task.Delay(Timeout.Infinite, cancelled), "one ", "two");
        using (var response = await client.StreamAsync("/scripted", Hello))
        {
            await using var body = await response.Content.ReadAsStreamAsync(CancellationToken).Soon();
            await body.ReadExactlyAsync(new byte[10], CancellationToken).AsTask().Soon();
        }

        await host.Model.Left.Soon();
        await AssertReleasedAsync(host);
    }

    [Fact]
    public async Task Client_ThatLeavesAfterTheModelHasEnded_HasPaidForAStoredChat()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        await using var block = await database.Source.OpenConnectionAsync(CancellationToken).AsTask().Soon();
        await using var held = await block.BeginTransactionAsync(CancellationToken).AsTask().Soon();
        host.Model = ScriptedModel.Streams(
            async _ =>
            {
                // The chat cannot be stored before the client has gone.
                await using var command = new Npgsql.NpgsqlCommand(
                    "LOCK TABLE conversations IN ACCESS EXCLUSIVE MODE", block);
                await command.ExecuteNonQueryAsync(CancellationToken);
            },
            "one");
        var body = new { message = "hello", conversation = Guid.NewGuid() };
        using (var response = await client.StreamAsync("/scripted", body))
        {
            await host.Model.Left.Soon();
        }

        await host.Abandoned.Soon();
        await held.RollbackAsync(CancellationToken).Soon();
        await DrainedAsync(host);
        Assert.Equal(3900, host.Ledger.Available);
        var chats = await client.CallAsync(HttpMethod.Get, "/api/chat").JsonAsync(HttpStatusCode.OK);
        Assert.Equal("one", Assert.Single(chats.EnumerateArray()).GetProperty("response").GetString());
    }

    /// <summary>Neither the model goes on nor memory fills, and the money comes back.</summary>
    [Fact]
    public async Task Client_ThatDoesNotRead_MakesTheModelWaitAndIsCutOffAndGivenItBack()
    {
        const int Piece = 16 * 1024;
        var settings = new ChatSettings { StalledAfter = TimeSpan.FromSeconds(1), MaxReplyLength = 10_000_000 };
        await using var host = await ChatHost.StartAsync(database, settings);
        host.Model = ScriptedModel.NeverEnds(new string('x', Piece));
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.ReceiveBufferSize = 4096;
        await socket.ConnectAsync(IPAddress.Loopback, host.Address.Port, CancellationToken).AsTask().Soon();
        const string Body = "{\"message\":\"hello\"}";
        await socket.SendAsync(
            Encoding.ASCII.GetBytes(
                "POST /scripted HTTP/1.1\r\nHost: localhost\r\nX-User: 77\r\nAccept: text/event-stream\r\n"
                + $"Content-Type: application/json\r\nContent-Length: {Body.Length}\r\n\r\n{Body}"),
            CancellationToken).AsTask().Soon();

        await host.Model.Left.Soon();
        await AssertReleasedAsync(host);
        // What the system's buffers take is at most a few megabytes; the reply may have ten.
        Assert.InRange(host.Model.Made * Piece, 1, settings.MaxReplyLength - Piece);
    }

    [Fact]
    public async Task Client_ThatReadsSlowly_GetsAllOfIt()
    {
        const int Pieces = 200, Piece = 16 * 1024;
        await using var host = await ChatHost.StartAsync(
            database, new ChatSettings { MaxReplyLength = 10_000_000 });
        using var client = host.NewClient();
        host.Model = ScriptedModel.Streams(
            then: null, [.. Enumerable.Range(0, Pieces).Select(n => new string((char)('a' + (n % 26)), Piece))]);
        using var response = await client.StreamAsync("/scripted", Hello);
        await using var body = await response.Content.ReadAsStreamAsync(CancellationToken).Soon();
        var (read, some) = (0, new byte[32 * 1024]);
        while (await body.ReadAsync(some, CancellationToken).AsTask().Soon() is > 0 and var count)
        {
            read += count;
            await Task.Yield();
        }

        Assert.InRange(read, 2 * Pieces * Piece, int.MaxValue); // In pieces, and whole at the end.
        Assert.Equal(3900, host.Ledger.Available);
    }

    private static async Task AssertReleasedAsync(ChatHost host)
    {
        await DrainedAsync(host);
        Assert.Equal(["hold", "release"], host.Ledger.Asked);
        Assert.Equal(4000, host.Ledger.Available);
    }

    /// <summary>Ends when the service has brought to an end what was under way.</summary>
    private static Task DrainedAsync(ChatHost host) => host.Running.DrainAsync(CancellationToken).Soon();
}
