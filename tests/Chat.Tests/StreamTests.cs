using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Chat.Service;
using Chat.Service.Chats;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;

namespace Chat.Tests;

/// <summary>Replies as server-sent events.</summary>
public sealed class StreamTests(ChatDatabase database)
{
    private const string Path = "/scripted";

    private static readonly object Hello = new { message = "hello" };

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Stream_OfAReply_IsItsPiecesAndThenTheStoredChatWithItsReceipt()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        host.Model = ScriptedModel.Streams(then: null, "one ", "two\n\n", "data: thr", "ee 🙂");
        using var response = await client.StreamAsync(Path, Hello);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.True(response.Headers.CacheControl is { NoCache: true, NoStore: true });
        var events = await response.EventsAsync();

        Assert.Equal(["delta", "delta", "delta", "delta", "done"], events.Select(e => e.Name));
        var text = Text(events);
        Assert.Equal("one two\n\ndata: three 🙂", text);
        var (chat, receipt) = (events[^1].Data.GetProperty("chat"), events[^1].Data.GetProperty("receipt"));
        Assert.Equal(text, chat.GetProperty("response").GetString());
        Assert.Equal(
            (100, 3900), (receipt.GetProperty("cost").GetInt64(), receipt.GetProperty("tokens").GetInt64()));
        Assert.True(host.Ledger.IsPaidFor(receipt.GetProperty("charge").GetGuid()));
        var listed = await client.CallAsync(HttpMethod.Get, $"/api/chat/{chat.GetProperty("id")}")
            .JsonAsync(HttpStatusCode.OK);
        Assert.Equal(chat.GetRawText(), listed.WithoutUsage());
    }

    [Fact]
    public async Task Stream_OfTheMock_IsTheSameAsItsWholeAnswer()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        using var response = await client.StreamAsync("/api/chat", Hello);
        var events = await response.EventsAsync();
        Assert.Equal("AI Response to: hello", Text(events));
        var whole = await client.CallAsync(HttpMethod.Post, "/api/chat", Hello).JsonAsync(HttpStatusCode.Created);
        Assert.Equal(Text(events), whole.GetProperty("response").GetString());
    }

    [Fact]
    public async Task Piece_ThatIsMade_IsSentAtOnce()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        var goOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Model = ScriptedModel.Streams(_ => goOn.Task, "first");
        using var response = await client.StreamAsync(Path, Hello);
        await using var body = await response.Content.ReadAsStreamAsync(CancellationToken).Soon();
        using var reader = new StreamReader(body);
        Assert.Equal("event: delta", await reader.ReadLineAsync(CancellationToken).AsTask().Soon());
        Assert.Equal("data: {\"text\":\"first\"}", await reader.ReadLineAsync(CancellationToken).AsTask().Soon());
        goOn.SetResult();
        Assert.Contains("event: done", await reader.ReadToEndAsync(CancellationToken).Soon(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("fails", "model_failed", 502)]
    [InlineData("cut", "model_failed", 502)]
    [InlineData("stalls", "model_timed_out", 504)]
    [InlineData("too long", "model_failed", 502)]
    public async Task Stream_ThatFailsAfterItHasBegun_EndsWithAnErrorAndIsFree(string how, string code, int status)
    {
        var patience = TimeSpan.FromSeconds(how == "stalls" ? 0.5 : 60);
        var settings = new ChatSettings { ModelTimeout = patience, MaxReplyLength = 20 };
        await using var host = await ChatHost.StartAsync(database, settings);
        using var client = host.NewClient();
        host.Model = how switch
        {
            "cut" => ScriptedModel.IsCutAfter("one ", "two"),
            "stalls" => ScriptedModel.Streams(cancelled => Task.Delay(Timeout.Infinite, cancelled), "one ", "two"),
            "too long" => ScriptedModel.Streams(then: null, "one ", "two", new string('x', 20)),
            _ => ScriptedModel.Streams(_ => throw new HttpRequestException("The model is down."), "one ", "two"),
        };
        using var response = await client.StreamAsync(Path, Hello);
        var events = await response.EventsAsync();

        Assert.Equal(["delta", "delta", "error"], events.Select(e => e.Name));
        var problem = events[^1].Data;
        Assert.Equal(code, problem.GetProperty("code").GetString());
        Assert.Equal(status, problem.GetProperty("status").GetInt32());
        Assert.EndsWith("You were not charged.", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.False(string.IsNullOrEmpty(problem.GetProperty("traceId").GetString()));
        Assert.Equal(4000, host.Ledger.Available);
        Assert.Empty(await RowsAsync(client));
    }

    [Theory]
    [InlineData("model", HttpStatusCode.BadGateway, "model_failed")]
    [InlineData("tokens", HttpStatusCode.PaymentRequired, "insufficient_tokens")]
    [InlineData("ledger", HttpStatusCode.ServiceUnavailable, "ledger_unavailable")]
    public async Task Stream_ThatFailsBeforeItHasBegun_IsAnErrorOfItsOwn(
        string what, HttpStatusCode status, string code)
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        var balance = host.Ledger.Balance = what == "tokens" ? 99 : 4000;
        host.Model = what == "model" ? ScriptedModel.Fails() : ScriptedModel.Answers("hi");
        if (what == "ledger")
        {
            host.Ledger.After["hold"] = TestLedger.LoseAnswer;
        }

        Assert.Equal(code, await client.StreamAsync(Path, Hello).ProblemAsync(status));
        Assert.Equal(balance, host.Ledger.Available);
    }

    [Fact]
    public async Task Silence_OfTheModel_IsFilledWithSignsOfLife()
    {
        var settings = new ChatSettings { HeartbeatEvery = TimeSpan.FromMilliseconds(20) };
        await using var host = await ChatHost.StartAsync(database, settings);
        using var client = host.NewClient();
        var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Model = new ScriptedModel(_ => reply.Task);
        using var response = await client.StreamAsync(Path, Hello);
        await using var body = await response.Content.ReadAsStreamAsync(CancellationToken).Soon();
        using var reader = new StreamReader(body, Encoding.UTF8);
        for (var n = 0; n < 3; n++)
        {
            Assert.Equal(": keep-alive", await reader.ReadLineAsync(CancellationToken).AsTask().Soon());
            Assert.Equal("", await reader.ReadLineAsync(CancellationToken).AsTask().Soon());
        }

        reply.SetResult("hi");
        var rest = await reader.ReadToEndAsync(CancellationToken).Soon();
        Assert.Contains("event: delta\ndata: {\"text\":\"hi\"}\n\n", rest, StringComparison.Ordinal);
        Assert.Contains("event: done\n", rest, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Silence_BeforeAFailure_MakesItAnErrorEvent()
    {
        var settings = new ChatSettings { HeartbeatEvery = TimeSpan.FromMilliseconds(20) };
        await using var host = await ChatHost.StartAsync(database, settings);
        using var client = host.NewClient();
        var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Model = new ScriptedModel(_ => reply.Task);
        using var response = await client.StreamAsync(Path, Hello);
        reply.SetException(new HttpRequestException("The model is down."));
        Assert.Equal("error", Assert.Single(await response.EventsAsync()).Name);
        Assert.Equal(4000, host.Ledger.Available);
    }

    [Fact]
    public async Task Stream_SentAgainWithItsKey_IsTheSameTextAtOnceAndFree()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        host.Model = ScriptedModel.Streams(then: null, "one ", "two");
        using var first = await client.StreamAsync(Path, Hello, "key");
        var events = await first.EventsAsync();
        Assert.False(first.Headers.Contains(IdempotencyKey.ReplayedHeader));

        host.Model = ScriptedModel.Fails();
        using var second = await client.StreamAsync(Path, Hello, "key");
        Assert.Equal("true", Assert.Single(second.Headers.GetValues(IdempotencyKey.ReplayedHeader)));
        var again = await second.EventsAsync();
        Assert.Equal(["delta", "done"], again.Select(e => e.Name));
        Assert.Equal("one two", Text(again));
        Assert.Equal(events[^1].Data.GetRawText(), again[^1].Data.GetRawText());
        var whole = await client.CallAsync(HttpMethod.Post, Path, Hello, "key").JsonAsync(HttpStatusCode.Created);
        Assert.Equal(events[^1].Data.GetProperty("chat").GetRawText(), whole.GetRawText());
        Assert.Equal(3900, host.Ledger.Available);
    }

    [Fact]
    public async Task Stream_SentAgainWhileItRuns_Is409ToBeAskedAgainLater()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        var goOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Model = ScriptedModel.Streams(_ => goOn.Task, "one");
        using var first = await client.StreamAsync(Path, Hello, "key");
        using var second = await client.StreamAsync(Path, Hello, "key");
        Assert.Equal("in_progress", await Task.FromResult(second).ProblemAsync(HttpStatusCode.Conflict));
        Assert.Equal(TimeSpan.FromSeconds(1), second.Headers.RetryAfter?.Delta);
        goOn.SetResult();
        Assert.Equal("done", (await first.EventsAsync())[^1].Name);
        Assert.Equal(
            "exists_with_different_content",
            await client.StreamAsync(Path, new { message = "another" }, "key").ProblemAsync(HttpStatusCode.Conflict));
        Assert.Equal(3900, host.Ledger.Available);
    }

    private static string Text(IEnumerable<(string Name, JsonElement Data)> events) => string.Concat(
        events.Where(e => e.Name == "delta").Select(e => e.Data.GetProperty("text").GetString()));

    private async Task<List<ChatStatus>> RowsAsync(HttpClient client)
    {
        var user = long.Parse(
            client.DefaultRequestHeaders.GetValues("X-User").Single(), CultureInfo.InvariantCulture);
        await using var db = database.CreateContext();
        return await db.Chats.Where(chat => chat.UserId == user).Select(chat => chat.Status)
            .ToListAsync(CancellationToken).Soon();
    }
}
