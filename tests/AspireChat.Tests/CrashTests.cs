using System.Net;
using System.Text.Json;
using System.Net.Http.Json;
using Tests.Shared;

namespace AspireChat.Tests;

/// <summary>
/// Processes that are killed or frozen, and clients that leave, while a chat is between its hold and its capture:
/// after a minute at most a charge exists if and only if a stored chat does.
/// </summary>
[Trait("Category", "Slow")]
[Collection(nameof(SlowSystem))]
public sealed class CrashTests(SlowSystem slow) : IAsyncLifetime
{
    private readonly AppHostFixture _system = slow.System;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => slow.RecoverAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Chat_KilledAfterTheHold_GivesItBackAndItsKeyIsAsGoodAsNew()
    {
        using var user = await slow.NewUserAsync();
        var calls = Enumerable.Range(0, 4)
            .Select(n => user.Client.PostAsync("/api/chat", new { message = "hello" }, $"key-{n}")).ToList();
        await slow.HeldAsync(user, calls.Count);
        await slow.KillAsync("chat", "chat-2");
        foreach (var call in calls)
        {
            using var response = await call;
            // 409: sent again to the other replica before that was gone, too, which found it in progress.
            Assert.True((int)response.StatusCode is 409 or 502 or 503 or 504, $"{response.StatusCode}");
        }

        Assert.Equal(0, await Books.AssertPaidForRepliesOnlyAsync(_system, user));
        await slow.HealthyAsync("chat", "chat-2");
        using var again = await user.Client.PostAsync("/api/chat", new { message = "hello" }, "key-0");
        Assert.Equal(HttpStatusCode.Created, again.StatusCode);
        Assert.Equal(1, await Books.AssertPaidForRepliesOnlyAsync(_system, user));
    }

    /// <summary>A model that is priced by its tokens: 1 credit for each it reads, and 2 for each it writes.</summary>
    [Fact]
    public async Task MeteredChat_ThroughTheGateway_CostsWhatTheModelUsed()
    {
        using var user = await slow.NewUserAsync();
        using var sent = await user.Client.PostAsync("/api/chat", new { message = "hello there", model = "metered" });
        var chat = await sent.ReadAsync<ChatAnswer>(HttpStatusCode.Created);
        using var stored = await user.Client.ReadAsync($"/api/chat/{chat.Id}");
        var usage = (await stored.ReadAsync<JsonElement>(HttpStatusCode.OK)).GetProperty("usage");
        var (input, output) = (
            usage.GetProperty("input_tokens").GetInt64(), usage.GetProperty("output_tokens").GetInt64());
        Assert.True(input > 0 && output > 0 && !usage.GetProperty("estimated").GetBoolean());
        Assert.Equal(input + (2 * output), chat.Cost);
        Assert.Equal(4000 - chat.Cost, chat.Tokens);
        Assert.Equal(chat.Tokens, await user.Client.BalanceAsync());
        Assert.Equal(1, await Books.AssertPaidForRepliesOnlyAsync(_system, user));

        using var report = await user.Client.ReadAsync("/api/usage?by=model");
        var row = Assert.Single((await report.ReadAsync<JsonElement>(HttpStatusCode.OK))
            .GetProperty("rows").EnumerateArray());
        Assert.Equal(
            ("metered", chat.Cost), (row.GetProperty("model").GetString(), row.GetProperty("cost").GetInt64()));

        // What it may cost at most has to be there: 200 tokens are 400 credits, and what it reads comes on top.
        using var spent = await user.Client.PostAsync("/api/tokens/deduct", new { amount = chat.Tokens - 400 });
        Assert.Equal(HttpStatusCode.OK, spent.StatusCode);
        using var refused = await user.Client.PostAsync("/api/chat", new { message = "hello", model = "metered" });
        Assert.Equal("insufficient_tokens", (await refused.ProblemAsync(HttpStatusCode.PaymentRequired)).Code);
        Assert.Equal(400, await user.Client.BalanceAsync());
    }

    /// <summary>The account's row is locked, so that the capture waits.</summary>
    [Fact]
    public async Task Chat_KilledBetweenTheStoreAndTheCapture_IsPaidFor()
    {
        using var user = await slow.NewUserAsync();
        var call = user.Client.PostAsync("/api/chat", new { message = "hello" });
        await slow.HeldAsync(user, chats: 1);
        await using (await slow.LockAsync("ledgerdb", "SELECT FROM accounts FOR UPDATE"))
        {
            using var answer = await call;
            Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
            await slow.KillAsync("chat", "chat-2");
        }

        Assert.Equal(1, await Books.AssertPaidForRepliesOnlyAsync(_system, user));
        await slow.HealthyAsync("chat", "chat-2");
    }

    /// <summary>
    /// Frozen for longer than the others wait: they give its credits back, and when it goes on its replies are too
    /// late. Those of the other replica are paid for.
    /// </summary>
    [Fact]
    public async Task Chat_FrozenWhileItsModelThinks_IsTakenForDeadAndStoresNothingLate()
    {
        using var user = await slow.NewUserAsync();
        var calls = Enumerable.Range(0, 6)
            .Select(_ => user.Client.PostAsync("/api/chat", new { message = "hello" })).ToList();
        await slow.HeldAsync(user, calls.Count);
        using (await slow.FreezeAsync("chat-2"))
        {
            // The other replica gives its credits back, and captures its own.
            await SlowSystem.UntilAsync(async () => await Books.HeldAsync(_system, user) == 0);
        }

        var stored = 0;
        foreach (var call in calls)
        {
            using var response = await call;
            Assert.True((int)response.StatusCode is 201 or 502 or 503 or 504, $"{response.StatusCode}");
            stored += response.StatusCode is HttpStatusCode.Created ? 1 : 0;
        }

        Assert.InRange(stored, 0, calls.Count - 1);
        Assert.InRange(await Books.AssertPaidForRepliesOnlyAsync(_system, user), stored, calls.Count - 1);
    }

    /// <summary>A batch that a frozen ledger has taken goes to the other, and what thaws changes nothing.</summary>
    [Fact]
    public async Task Ledger_FrozenUnderLoad_HoldsUpNoChat()
    {
        using var user = await slow.NewUserAsync();
        using (await slow.FreezeAsync("ledger"))
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 10)
                .Select(_ => user.Client.PostAsync("/api/chat", new { message = "hello" })));
            Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Created, answer.StatusCode));
        }

        Assert.Equal(10, await Books.AssertPaidForRepliesOnlyAsync(_system, user));
    }

    /// <summary>
    /// With a standby to wait for that never comes, Postgres has a commit in its log and does not say so: that is the
    /// moment between the commit and the ledger's answer.
    /// </summary>
    [Fact]
    public async Task Ledger_KilledAfterItsCommitAndBeforeItsAnswer_ChargesNothing()
    {
        using var user = await slow.NewUserAsync();
        Assert.Equal(4000, await user.Client.BalanceAsync());
        await Books.ExecuteAsync(_system, "ledgerdb", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
        await Books.ReadAsync<bool>(_system, "ledgerdb", "SELECT pg_reload_conf()");
        Task<HttpResponseMessage> call;
        try
        {
            call = user.Client.PostAsync("/api/chat", new { message = "hello" });
            await SlowSystem.UntilAsync(async () => await Books.ReadAsync<bool>(
                _system,
                "ledgerdb",
                """
                SELECT EXISTS (SELECT FROM pg_stat_activity
                               WHERE wait_event = 'SyncRep' AND datname = 'ledgerdb' AND query LIKE '%carry_out%')
                """));
            await slow.KillAsync("ledger", "ledger-2");
        }
        finally
        {
            await Books.ExecuteAsync(_system, "ledgerdb", "ALTER SYSTEM RESET synchronous_standby_names");
            await Books.ReadAsync<bool>(_system, "ledgerdb", "SELECT pg_reload_conf()");
        }

        // The attempts of Chat.Service may outlast the ledger's restart: then it finds its own hold.
        using var response = await call;
        Assert.True((int)response.StatusCode is 201 or 503, $"{response.StatusCode}");
        await slow.HealthyAsync("ledger", "ledger-2");
        Assert.Equal(
            response.StatusCode is HttpStatusCode.Created ? 1 : 0,
            await Books.AssertPaidForRepliesOnlyAsync(_system, user));
    }

    /// <summary>What is deleted while its answer is made stays gone and costs nothing.</summary>
    [Fact]
    public async Task Chats_DeletedWhileTheirAnswersAreMade_StayGone()
    {
        using var user = await slow.NewUserAsync();
        var calls = Enumerable.Range(0, 4)
            .Select(_ => user.Client.PostAsync("/api/chat", new { message = "hello" })).ToList();
        await slow.HeldAsync(user, calls.Count);
        using var deleted = await user.Client.DeleteAsync("/api/chat", CancellationToken);
        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        foreach (var call in calls)
        {
            using var response = await call;
            Assert.Equal("too_late", (await response.ProblemAsync(HttpStatusCode.GatewayTimeout)).Code);
        }

        Assert.Equal(0, await Books.AssertPaidForRepliesOnlyAsync(_system, user));
        using var listed = await user.Client.ReadAsync("/api/chat");
        Assert.Empty(await listed.ReadAsync<List<ChatAnswer>>(HttpStatusCode.OK));
    }

    /// <summary>A restart lets its streams end, and the other replica takes what comes meanwhile.</summary>
    [Fact]
    public async Task Replicas_RestartedInTurnUnderALoadOfStreams_RefuseAndCutNone()
    {
        using var user = await slow.NewUserAsync();
        using var stop = new CancellationTokenSource();
        var load = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            var statuses = new List<HttpStatusCode>();
            while (!stop.IsCancellationRequested)
            {
                statuses.Add(await StreamAsync(user.Client));
            }

            return statuses;
        })).ToList();
        foreach (var replica in new[] { "chat", "chat-2" })
        {
            await slow.HeldAsync(user, chats: 3);
            using var process = await _system.ProcessAsync(replica);
            Signals.Send(process.Id, "TERM");
            await process.WaitForExitAsync(CancellationToken);
            await slow.HealthyAsync(replica);
        }

        await stop.CancelAsync();
        var answers = (await Task.WhenAll(load)).SelectMany(statuses => statuses).ToList();
        Assert.All(answers, status => Assert.Equal(HttpStatusCode.OK, status));
        Assert.Equal(answers.Count, await Books.AssertPaidForRepliesOnlyAsync(_system, user));
    }

    [Fact]
    public async Task Postgres_KilledInTheMiddle_LeavesNoChargeWithoutAReply()
    {
        using var user = await slow.NewUserAsync();
        var calls = Enumerable.Range(0, 10)
            .Select(_ => user.Client.PostAsync("/api/chat", new { message = "hello" })).ToList();
        await slow.HeldAsync(user, calls.Count);
        await slow.KillAsync("postgres");
        await slow.HealthyAsync("postgres");
        var acknowledged = 0;
        foreach (var call in calls)
        {
            using var response = await call;
            Assert.True((int)response.StatusCode is 201 or 503, $"{response.StatusCode}");
            acknowledged += response.StatusCode == HttpStatusCode.Created ? 1 : 0;
        }

        Assert.InRange(await Books.AssertPaidForRepliesOnlyAsync(_system, user), acknowledged, calls.Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Client_ThatLeavesBeforeTheReply_IsGivenItBack(bool isStream)
    {
        using var user = await _system.NewUserAsync();
        using var left = new CancellationTokenSource();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat")
        {
            Content = JsonContent.Create(new { message = "hello" }),
        };
        request.Headers.Accept.ParseAdd(isStream ? "text/event-stream" : "*/*");
        var call = user.Client.SendAsync(request, left.Token);
        await slow.HeldAsync(user, chats: 1);
        await left.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        // Sooner than the model would have answered.
        await SlowSystem.UntilAsync(async () => await user.Client.BalanceAsync() == 4000);
        Assert.Equal(0, await Books.AssertPaidForRepliesOnlyAsync(_system, user));
    }

    /// <summary>A chat as a stream, to its end.</summary>
    /// <returns>The status, or 0 when the stream did not end as it should.</returns>
    private static async Task<HttpStatusCode> StreamAsync(HttpClient client)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat")
        {
            Content = JsonContent.Create(new { message = "under load" }),
        };
        request.Headers.Accept.ParseAdd("text/event-stream");
        using var response = await client.SendAsync(request, CancellationToken);
        var body = await response.Content.ReadAsStringAsync(CancellationToken);
        return !response.IsSuccessStatusCode || body.Contains("event: done", StringComparison.Ordinal)
            ? response.StatusCode
            : 0;
    }
}
