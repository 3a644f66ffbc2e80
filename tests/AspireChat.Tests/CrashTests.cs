using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using Aspire.Hosting.ApplicationModel;
using Npgsql;
using Tests.Shared;
using Xunit.Sdk;

namespace AspireChat.Tests;

/// <summary>
/// Processes that are killed or frozen, and clients that leave, while a chat is between its hold and its capture:
/// after a minute at most a charge exists if and only if a stored chat does. In a system of its own, whose model takes
/// its time, and alone, because it kills processes.
/// </summary>
[Trait("Category", "Slow")]
[Collection(nameof(CrashTests))]
[CollectionDefinition(nameof(CrashTests), DisableParallelization = true)]
public sealed class CrashTests(CrashTests.SlowSystem slow) : IClassFixture<CrashTests.SlowSystem>, IAsyncLifetime
{
    /// <summary>More calls than there are replicas, so that each of them has answered one.</summary>
    private const int Calls = 4;

    private static readonly TimeSpan Thinking = TimeSpan.FromSeconds(8);

    private readonly AppHostFixture _system = slow.System;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    /// <summary>
    /// Lets the system get over the test before: calls that are balanced over replicas succeed several times in a row.
    /// </summary>
    public async ValueTask InitializeAsync()
    {
        for (var n = 0; n < Calls; n++)
        {
            using var user = await NewUserAsync();
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Chat_KilledAfterTheHold_GivesItBackAndItsKeyIsAsGoodAsNew()
    {
        using var user = await NewUserAsync();
        var calls = Enumerable.Range(0, 4)
            .Select(n => user.Client.PostAsync("/api/chat", new { message = "hello" }, $"key-{n}")).ToList();
        await HeldAsync(user, calls.Count);
        await KillAsync("chat", "chat-2");
        foreach (var call in calls)
        {
            using var response = await call;
            Assert.True((int)response.StatusCode is 502 or 503 or 504, $"{response.StatusCode}");
        }

        Assert.Equal(0, await Books.AssertPaidForRepliesOnlyAsync(_system, user));
        await HealthyAsync("chat", "chat-2");
        using var again = await user.Client.PostAsync("/api/chat", new { message = "hello" }, "key-0");
        Assert.Equal(HttpStatusCode.Created, again.StatusCode);
        Assert.Equal(1, await Books.AssertPaidForRepliesOnlyAsync(_system, user));
    }

    /// <summary>The account's row is locked, so that the capture waits.</summary>
    [Fact]
    public async Task Chat_KilledBetweenTheStoreAndTheCapture_IsPaidFor()
    {
        using var user = await NewUserAsync();
        var call = user.Client.PostAsync("/api/chat", new { message = "hello" });
        await HeldAsync(user, chats: 1);
        await using (var ledger = await Books.OpenAsync(_system, "ledgerdb"))
        await using (var locked = await ledger.BeginTransactionAsync(CancellationToken))
        {
            await using var command = new NpgsqlCommand("SELECT FROM accounts FOR UPDATE", ledger, locked);
            await command.ExecuteNonQueryAsync(CancellationToken);
            using var answer = await call;
            Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
            await KillAsync("chat", "chat-2");
        }

        Assert.Equal(1, await Books.AssertPaidForRepliesOnlyAsync(_system, user));
        await HealthyAsync("chat", "chat-2");
    }

    /// <summary>
    /// Frozen for longer than the others wait: they give its credits back, and when it goes on its replies are too
    /// late. Those of the other replica are paid for.
    /// </summary>
    [Fact]
    public async Task Chat_FrozenWhileItsModelThinks_IsTakenForDeadAndStoresNothingLate()
    {
        using var user = await NewUserAsync();
        var calls = Enumerable.Range(0, 6)
            .Select(_ => user.Client.PostAsync("/api/chat", new { message = "hello" })).ToList();
        await HeldAsync(user, calls.Count);
        using (var chat = await _system.ProcessAsync("chat-2"))
        {
            await FreezeAsync(chat, TimeSpan.FromSeconds(25)); // The others need 12 s, and up to 2 s more, to be sure.
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
        using var user = await NewUserAsync();
        using var ledger = await _system.ProcessAsync("ledger");
        var frozen = FreezeAsync(ledger, TimeSpan.FromSeconds(15));
        var answers = await Task.WhenAll(Enumerable.Range(0, 10)
            .Select(_ => user.Client.PostAsync("/api/chat", new { message = "hello" })));
        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Created, answer.StatusCode));
        await frozen;
        Assert.Equal(10, await Books.AssertPaidForRepliesOnlyAsync(_system, user));
    }

    /// <summary>
    /// With a standby to wait for that never comes, Postgres has a commit in its log and does not say so: that is the
    /// moment between the commit and the ledger's answer.
    /// </summary>
    [Fact]
    public async Task Ledger_KilledAfterItsCommitAndBeforeItsAnswer_ChargesNothing()
    {
        using var user = await NewUserAsync();
        Assert.Equal(4000, await user.Client.BalanceAsync());
        await Books.ExecuteAsync(_system, "ledgerdb", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
        await Books.ReadAsync<bool>(_system, "ledgerdb", "SELECT pg_reload_conf()");
        Task<HttpResponseMessage> call;
        try
        {
            call = user.Client.PostAsync("/api/chat", new { message = "hello" });
            await UntilAsync(async () => await Books.ReadAsync<bool>(
                _system,
                "ledgerdb",
                """
                SELECT EXISTS (SELECT FROM pg_stat_activity
                               WHERE wait_event = 'SyncRep' AND datname = 'ledgerdb' AND query LIKE '%carry_out%')
                """));
            await KillAsync("ledger", "ledger-2");
        }
        finally
        {
            await Books.ExecuteAsync(_system, "ledgerdb", "ALTER SYSTEM RESET synchronous_standby_names");
            await Books.ReadAsync<bool>(_system, "ledgerdb", "SELECT pg_reload_conf()");
        }

        // The attempts of Chat.Service may outlast the ledger's restart: then it finds its own hold.
        using var response = await call;
        Assert.True((int)response.StatusCode is 201 or 503, $"{response.StatusCode}");
        await HealthyAsync("ledger", "ledger-2");
        Assert.Equal(
            response.StatusCode is HttpStatusCode.Created ? 1 : 0,
            await Books.AssertPaidForRepliesOnlyAsync(_system, user));
    }

    /// <summary>What is deleted while its answer is made stays gone and costs nothing.</summary>
    [Fact]
    public async Task Chats_DeletedWhileTheirAnswersAreMade_StayGone()
    {
        using var user = await NewUserAsync();
        var calls = Enumerable.Range(0, 4)
            .Select(_ => user.Client.PostAsync("/api/chat", new { message = "hello" })).ToList();
        await HeldAsync(user, calls.Count);
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
        using var user = await NewUserAsync();
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
            await HeldAsync(user, chats: 3);
            using var process = await _system.ProcessAsync(replica);
            Signals.Send(process.Id, "TERM");
            await process.WaitForExitAsync(CancellationToken);
            await HealthyAsync(replica);
        }

        await stop.CancelAsync();
        var answers = (await Task.WhenAll(load)).SelectMany(statuses => statuses).ToList();
        Assert.All(answers, status => Assert.Equal(HttpStatusCode.OK, status));
        Assert.Equal(answers.Count, await Books.AssertPaidForRepliesOnlyAsync(_system, user));
    }

    [Fact]
    public async Task Postgres_KilledInTheMiddle_LeavesNoChargeWithoutAReply()
    {
        using var user = await NewUserAsync();
        var calls = Enumerable.Range(0, 10)
            .Select(_ => user.Client.PostAsync("/api/chat", new { message = "hello" })).ToList();
        await HeldAsync(user, calls.Count);
        await KillAsync("postgres");
        await HealthyAsync("postgres");
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
        await HeldAsync(user, chats: 1);
        await left.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        // Sooner than the model would have answered.
        await UntilAsync(async () => await user.Client.BalanceAsync() == 4000);
        Assert.Equal(0, await Books.AssertPaidForRepliesOnlyAsync(_system, user));
    }

    private async Task KillAsync(params string[] replicas)
    {
        var processes = await Task.WhenAll(replicas.Select(_system.ProcessAsync));
        foreach (var process in processes)
        {
            process.Kill();
            process.Dispose();
        }
    }

    /// <summary>A user whose calls succeed. Right after a crash one or the other may still be 503.</summary>
    private async Task<SignedInUser> NewUserAsync()
    {
        SignedInUser? user = null;
        await UntilAsync(async () =>
        {
            user?.Dispose();
            user = await _system.NewUserAsync();
            using var chats = await user.Client.ReadAsync("/api/chat");
            return await user.Client.BalanceAsync() == 4000 && chats.IsSuccessStatusCode;
        });
        return user!;
    }

    private async Task HealthyAsync(params string[] resources)
    {
        foreach (var resource in resources)
        {
            await _system.App.ResourceNotifications.WaitForResourceHealthyAsync(
                    resource, WaitBehavior.WaitOnResourceUnavailable, CancellationToken)
                .WaitAsync(AppHostFixture.StartTimeout, CancellationToken);
        }
    }

    private static async Task FreezeAsync(Process process, TimeSpan time)
    {
        Signals.Send(process.Id, "STOP");
        try
        {
            await Task.Delay(time, CancellationToken);
        }
        finally
        {
            Signals.Send(process.Id, "CONT");
        }
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

    private Task HeldAsync(SignedInUser user, int chats) =>
        UntilAsync(async () => await Books.HeldAsync(_system, user) >= chats);

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        var since = Stopwatch.GetTimestamp();
        while (!await MetAsync())
        {
            Assert.True(Stopwatch.GetElapsedTime(since) < AppHostFixture.StartTimeout, "It has not come to that.");
            await Task.Delay(20, CancellationToken);
        }

        async Task<bool> MetAsync()
        {
            try
            {
                return await condition();
            }
            catch (Exception exception) when (exception is XunitException or NpgsqlException)
            {
                return false; // Something is being started again.
            }
        }
    }

    /// <summary>A system whose model thinks for a while, and which soon takes a silent replica for dead.</summary>
    public sealed class SlowSystem : IAsyncLifetime
    {
        internal AppHostFixture System { get; } = new(builder => builder.OfChat(chat => chat
            .WithEnvironment("Chat__DeadAfter", "00:00:06")
            .WithEnvironment("Chat__DrainFor", "00:00:20") // Longer than the model thinks.
            .WithEnvironment("Chat__Models__mock__Script__Delay", Thinking.ToString())));

        public ValueTask InitializeAsync() => System.InitializeAsync();

        public ValueTask DisposeAsync() => System.DisposeAsync();
    }
}
