using System.Net;
using Chat.Service;
using Chat.Service.Chats;
using Microsoft.Extensions.Hosting;

namespace Chat.Tests;

/// <summary>
/// Requests that are sent again with their <c>Idempotency-Key</c>: a key pays for one reply, and not for fewer because
/// something failed on the way.
/// </summary>
public sealed class RetryTests(ChatDatabase database)
{
    private const string Key = "key";

    private static readonly object Hello = new { message = "hello" };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Key_OfARequestThatFailed_IsAnsweredWhenSentAgain(bool isStream)
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        for (var n = 0; n < 3; n++)
        {
            host.Model = ScriptedModel.Fails();
            using var failed = isStream ? await client.StreamAsync("/scripted", Hello, Key) : await SendAsync(client);
            Assert.Equal("model_failed", await Task.FromResult(failed).ProblemAsync(HttpStatusCode.BadGateway));
            Assert.Equal(4000, host.Ledger.Available);
        }

        host.Model = ScriptedModel.Answers("hi");
        var first = await SendAsync(client).JsonAsync(HttpStatusCode.Created);
        host.Model = ScriptedModel.Fails();
        using var again = await SendAsync(client);
        Assert.Equal("true", Assert.Single(again.Headers.GetValues("Idempotency-Replayed")));
        Assert.Equal(
            first.GetRawText(), (await Task.FromResult(again).JsonAsync(HttpStatusCode.Created)).GetRawText());
        Assert.Equal(3900, host.Ledger.Available);
    }

    [Fact]
    public async Task Key_OfARequestThatFoundTooManyChats_IsAnsweredLater()
    {
        await using var host = await ChatHost.StartAsync(database, new ChatSettings { MaxConcurrentChats = 1 });
        using var client = host.NewClient();
        var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var (holding, hold) = (NewSignal(), NewSignal());
        host.Ledger.Before["hold"] = _ =>
        {
            holding.TrySetResult();
            return hold.Task;
        };
        host.Model = ScriptedModel.Answers("hi");
        var late = SendAsync(client); // It finds room before it holds, and none after.
        await holding.Task.Soon();
        host.Ledger.Recover();
        var model = host.Model = new ScriptedModel(_ => reply.Task);
        var first = client.CallAsync(HttpMethod.Post, "/scripted", Hello);
        await model.Asked.Soon();
        hold.SetResult();
        Assert.Equal("too_many_chats", await late.ProblemAsync(HttpStatusCode.TooManyRequests));
        Assert.Equal("too_many_chats", await SendAsync(client).ProblemAsync(HttpStatusCode.TooManyRequests));
        Assert.Equal(3900, host.Ledger.Available);

        reply.SetResult("hi");
        await first.JsonAsync(HttpStatusCode.Created);
        await SendAsync(client).JsonAsync(HttpStatusCode.Created);
        Assert.Equal(3800, host.Ledger.Available);
    }

    /// <summary>What failed has left nothing behind, so the key is as good as new: also for another message.</summary>
    [Fact]
    public async Task Key_OfARequestThatFailed_MayNameAnother()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        host.Model = ScriptedModel.Fails();
        await SendAsync(client).ProblemAsync(HttpStatusCode.BadGateway);
        host.Model = ScriptedModel.Answers("hi");
        await client.CallAsync(HttpMethod.Post, "/scripted", new { message = "other" }, Key)
            .JsonAsync(HttpStatusCode.Created);
        Assert.Equal(
            "exists_with_different_content", await SendAsync(client).ProblemAsync(HttpStatusCode.Conflict));
        Assert.Equal(3900, host.Ledger.Available);
    }

    [Fact]
    public async Task Key_WithAReply_IsRepeatedWithoutALedger()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        await SendAsync(client).JsonAsync(HttpStatusCode.Created);
        host.Ledger.Before["hold"] = TestLedger.Down;
        await SendAsync(client).JsonAsync(HttpStatusCode.Created);
    }

    /// <summary>The tombstone of a sweep tells the request that was lost from others.</summary>
    [Fact]
    public async Task Key_OfARequestLostInACrash_NamesThatRequestAndNoOther()
    {
        await using var host = await ChatHost.StartAsync(database);
        const long User = 78;
        using var client = host.NewClient(User);
        await TombstoneAsync(PendingChat.New(User, "chat", Key, "hello") with { Most = 100 });
        Assert.Equal(
            "exists_with_different_content",
            await client.CallAsync(HttpMethod.Post, "/scripted", new { message = "other" }, Key)
                .ProblemAsync(HttpStatusCode.Conflict));
        await SendAsync(client).JsonAsync(HttpStatusCode.Created);
        Assert.Equal(3900, host.Ledger.Available);
    }

    /// <summary>A sweep buries an attempt that has been looked up already, and has not held yet.</summary>
    [Fact]
    public async Task Key_WhoseAttemptIsBuriedBeforeItHolds_IsAnsweredWhenSentAgain()
    {
        await using var host = await ChatHost.StartAsync(database);
        const long User = 80;
        using var client = host.NewClient(User);
        var chat = PendingChat.New(User, "chat", Key, "hello") with { Most = 100 };
        host.Ledger.Before["hold"] = _ => TombstoneAsync(chat);
        using var late = await SendAsync(client);
        var problem = await Task.FromResult(late).JsonAsync(HttpStatusCode.GatewayTimeout);
        Assert.Equal("too_late", problem.GetProperty("code").GetString());
        Assert.Contains("You were not charged.", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(4000, host.Ledger.Available);

        host.Ledger.Recover();
        await SendAsync(client).JsonAsync(HttpStatusCode.Created);
        await host.Ledger.CapturedAsync(User, IdempotencyKey.Next(chat.Id));
        Assert.Equal((3900, 0), (host.Ledger.Balance, host.Ledger.Held));
    }

    [Fact]
    public async Task Key_LostTooOften_IsSpent()
    {
        await using var host = await ChatHost.StartAsync(database);
        const long User = 79;
        using var client = host.NewClient(User);
        var chat = PendingChat.New(User, "chat", Key, "hello") with { Most = 100 };
        foreach (var id in chat.AttemptIds())
        {
            await TombstoneAsync(chat with { Id = id });
        }

        Assert.Equal("too_many_attempts", await SendAsync(client).ProblemAsync(HttpStatusCode.Conflict));
        Assert.Empty(host.Ledger.Asked);
    }

    /// <summary>Beside a hold of which it is not known how it ended, a second attempt might pay twice.</summary>
    [Fact]
    public async Task Key_OfARequestWhoseReleaseFailed_WaitsForTheSweep()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        host.Model = ScriptedModel.Fails();
        host.Ledger.Before["release"] = TestLedger.Down;
        await SendAsync(client).ProblemAsync(HttpStatusCode.BadGateway);
        Assert.Equal(3900, host.Ledger.Available);
        host.Model = ScriptedModel.Answers("hi");
        using var waiting = await SendAsync(client);
        Assert.Equal("in_progress", await Task.FromResult(waiting).ProblemAsync(HttpStatusCode.Conflict));
        Assert.Equal(TimeSpan.FromSeconds(1), waiting.Headers.RetryAfter?.Delta);
    }

    [Fact]
    public async Task Key_SentByManyAfterAFailure_PaysOnce()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        host.Model = ScriptedModel.Fails();
        await SendAsync(client).ProblemAsync(HttpStatusCode.BadGateway);
        host.Model = ScriptedModel.Answers("hi");
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => SendAsync(client)));
        Assert.All(answers, answer => Assert.True(
            answer.StatusCode is HttpStatusCode.Created or HttpStatusCode.Conflict, $"{answer.StatusCode}"));
        Assert.Contains(answers, answer => answer.StatusCode is HttpStatusCode.Created);
        Assert.Equal(3900, host.Ledger.Available);
    }

    private Task<StoredChat> TombstoneAsync(PendingChat chat) => new ChatStore(database.Source)
        .AddTombstoneAsync(chat.ToHold(), TestContext.Current.CancellationToken).Soon();

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static Task<HttpResponseMessage> SendAsync(HttpClient client) =>
        client.CallAsync(HttpMethod.Post, "/scripted", Hello, Key);
}
