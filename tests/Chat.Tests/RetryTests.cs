using System.Net;
using Chat.Service;

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
            Assert.Equal(4000, host.Ledger.Balance);
        }

        host.Model = ScriptedModel.Answers("hi");
        var first = await SendAsync(client).JsonAsync(HttpStatusCode.Created);
        host.Model = ScriptedModel.Fails();
        using var again = await SendAsync(client);
        Assert.Equal("true", Assert.Single(again.Headers.GetValues("Idempotency-Replayed")));
        Assert.Equal(
            first.GetRawText(), (await Task.FromResult(again).JsonAsync(HttpStatusCode.Created)).GetRawText());
        Assert.Equal(3900, host.Ledger.Balance);
    }

    [Fact]
    public async Task Key_OfARequestThatFoundTooManyChats_IsAnsweredLater()
    {
        await using var host = await ChatHost.StartAsync(database, new ChatSettings { MaxConcurrentChats = 1 });
        using var client = host.NewClient();
        var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var (charging, charge) = (NewSignal(), NewSignal());
        host.Ledger.BeforeCharge = _ =>
        {
            charging.TrySetResult();
            return charge.Task;
        };
        host.Model = ScriptedModel.Answers("hi");
        var late = SendAsync(client); // It finds room before it is charged, and none after.
        await charging.Task.Soon();
        host.Ledger.BeforeCharge = _ => Task.CompletedTask;
        var model = host.Model = new ScriptedModel(_ => reply.Task);
        var first = client.CallAsync(HttpMethod.Post, "/scripted", Hello);
        await model.Asked.Soon();
        charge.SetResult();
        Assert.Equal("too_many_chats", await late.ProblemAsync(HttpStatusCode.TooManyRequests));
        Assert.Equal("too_many_chats", await SendAsync(client).ProblemAsync(HttpStatusCode.TooManyRequests));
        Assert.Equal(3900, host.Ledger.Balance);

        reply.SetResult("hi");
        await first.JsonAsync(HttpStatusCode.Created);
        await SendAsync(client).JsonAsync(HttpStatusCode.Created);
        Assert.Equal(3800, host.Ledger.Balance);
    }

    [Fact]
    public async Task Key_OfARequestThatFailed_NamesThatRequestAndNoOther()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        host.Model = ScriptedModel.Fails();
        await SendAsync(client).ProblemAsync(HttpStatusCode.BadGateway);
        host.Model = ScriptedModel.Answers("hi");
        Assert.Equal(
            "exists_with_different_content",
            await client.CallAsync(HttpMethod.Post, "/scripted", new { message = "other" }, Key)
                .ProblemAsync(HttpStatusCode.Conflict));
        Assert.Equal(4000, host.Ledger.Balance);
    }

    /// <summary>The duplicate has heard from the ledger that the first is under way, and then that fails.</summary>
    [Fact]
    public async Task Key_OfARequestThatFailsMeanwhile_IsAnsweredToTheDuplicate()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var model = host.Model = new ScriptedModel(_ => reply.Task);
        var first = SendAsync(client);
        await model.Asked.Soon();
        host.Model = ScriptedModel.Answers("hi");
        host.Ledger.AfterCharge = async _ =>
        {
            host.Ledger.AfterCharge = _ => Task.CompletedTask;
            reply.SetException(new HttpRequestException("The model is down."));
            await first;
        };
        await SendAsync(client).JsonAsync(HttpStatusCode.Created);
        Assert.Equal("model_failed", await first.ProblemAsync(HttpStatusCode.BadGateway));
        Assert.Equal(3900, host.Ledger.Balance);
    }

    [Fact]
    public async Task Key_WithAReplyAfterAFailure_IsRepeatedWithoutALedger()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        host.Model = ScriptedModel.Fails();
        await SendAsync(client).ProblemAsync(HttpStatusCode.BadGateway);
        host.Model = ScriptedModel.Answers("hi");
        await SendAsync(client).JsonAsync(HttpStatusCode.Created);
        (host.Ledger.BeforeCharge, host.Ledger.BeforeVoid, host.Ledger.BeforeRefund) =
            (TestLedger.Down, TestLedger.Down, TestLedger.Down);
        await SendAsync(client).JsonAsync(HttpStatusCode.Created);
    }

    /// <summary>The tombstone is that of a reconciler, which did not know what the charge was for.</summary>
    [Fact]
    public async Task Key_OfARequestLostInACrash_NamesThatRequestAndNoOther()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient(user: 78);
        host.Model = ScriptedModel.Fails();
        await SendAsync(client).ProblemAsync(HttpStatusCode.BadGateway);
        await using var forget = database.Source.CreateCommand(
            "UPDATE chats SET fingerprint = NULL WHERE user_id = 78");
        Assert.Equal(1, await forget.ExecuteNonQueryAsync(TestContext.Current.CancellationToken).Soon());

        host.Model = ScriptedModel.Answers("hi");
        var other = () => client.CallAsync(HttpMethod.Post, "/scripted", new { message = "other" }, Key);
        Assert.Equal("exists_with_different_content", await other().ProblemAsync(HttpStatusCode.Conflict));
        host.Ledger.BeforeCharge = TestLedger.Down;
        Assert.Equal("ledger_unavailable", await other().ProblemAsync(HttpStatusCode.ServiceUnavailable));
        host.Ledger.BeforeCharge = _ => Task.CompletedTask;
        await SendAsync(client).JsonAsync(HttpStatusCode.Created);
        Assert.Equal(3900, host.Ledger.Balance);
    }

    [Fact]
    public async Task Key_ThatFailedTooOften_IsSpent()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        host.Model = ScriptedModel.Fails();
        for (var n = 0; n < 10; n++)
        {
            await SendAsync(client).ProblemAsync(HttpStatusCode.BadGateway);
        }

        Assert.Equal("already_refunded", await SendAsync(client).ProblemAsync(HttpStatusCode.Conflict));
        Assert.Equal(4000, host.Ledger.Balance);
    }

    /// <summary>A second attempt beside a charge that is not given back yet might charge twice.</summary>
    [Fact]
    public async Task Key_OfARequestWhoseRefundFailed_WaitsForTheRefund()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        host.Model = ScriptedModel.Fails();
        host.Ledger.BeforeRefund = TestLedger.Down;
        await SendAsync(client).ProblemAsync(HttpStatusCode.BadGateway);
        Assert.Equal(3900, host.Ledger.Balance);
        host.Model = ScriptedModel.Answers("hi");
        using var waiting = await SendAsync(client);
        Assert.Equal(
            "ledger_unavailable", await Task.FromResult(waiting).ProblemAsync(HttpStatusCode.ServiceUnavailable));
        Assert.Equal(TimeSpan.FromSeconds(1), waiting.Headers.RetryAfter?.Delta);

        host.Ledger.BeforeRefund = _ => Task.CompletedTask;
        await SendAsync(client).JsonAsync(HttpStatusCode.Created);
        Assert.Equal(3900, host.Ledger.Balance);
    }

    [Fact]
    public async Task Key_SentByManyAfterAFailure_IsChargedOnce()
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
        Assert.Equal(3900, host.Ledger.Balance);
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static Task<HttpResponseMessage> SendAsync(HttpClient client) =>
        client.CallAsync(HttpMethod.Post, "/scripted", Hello, Key);
}
