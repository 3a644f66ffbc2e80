using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using Npgsql;
using Xunit.Sdk;

namespace AspireChat.Tests;

/// <summary>
/// Processes that are killed, and clients that leave, while a chat is between its charge and its reply: after a minute
/// at most a charge exists if and only if a completed chat does. In a system of its own, whose model takes its time,
/// and alone, because it kills processes.
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
    public async Task Chat_KilledAfterTheCharge_GivesItBackAndItsKeyIsAsGoodAsNew()
    {
        using var user = await NewUserAsync();
        var calls = Enumerable.Range(0, 4)
            .Select(n => user.Client.PostAsync("/api/chat", new { message = "hello" }, $"key-{n}")).ToList();
        await ChargedAsync(user, calls.Count);
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

    /// <summary>
    /// With a standby to wait for that never comes, Postgres has a commit in its log and does not say so: that is the
    /// moment between the commit and the ledger's answer.
    /// </summary>
    [Fact]
    public async Task Ledger_KilledAfterItsCommitAndBeforeItsAnswer_ChargesNothing()
    {
        using var user = await NewUserAsync();
        Assert.Equal(4000, await user.Client.BalanceAsync());
        var before = await ChargesWrittenAsync();
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
                               WHERE wait_event = 'SyncRep' AND datname = 'ledgerdb' AND query LIKE '%transfers%')
                """));
            await KillAsync("ledger", "ledger-2");
        }
        finally
        {
            await Books.ExecuteAsync(_system, "ledgerdb", "ALTER SYSTEM RESET synchronous_standby_names");
            await Books.ReadAsync<bool>(_system, "ledgerdb", "SELECT pg_reload_conf()");
        }

        using var response = await call;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        await HealthyAsync("ledger", "ledger-2");
        await UntilAsync(async () => await ChargesWrittenAsync() > before);
        Assert.Equal(0, await Books.AssertPaidForRepliesOnlyAsync(_system, user));
    }

    [Fact]
    public async Task Postgres_KilledInTheMiddle_LeavesNoChargeWithoutAReply()
    {
        using var user = await NewUserAsync();
        var calls = Enumerable.Range(0, 10)
            .Select(_ => user.Client.PostAsync("/api/chat", new { message = "hello" })).ToList();
        await ChargedAsync(user, calls.Count);
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
        await ChargedAsync(user, chats: 1);
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
            await _system.App.ResourceNotifications.WaitForResourceHealthyAsync(resource, CancellationToken)
                .WaitAsync(AppHostFixture.StartTimeout, CancellationToken);
        }
    }

    private Task<long> ChargesWrittenAsync() =>
        Books.ReadAsync<long>(_system, "ledgerdb", "SELECT count(*) FROM transfers WHERE kind = 2");

    private static Task ChargedAsync(SignedInUser user, int chats) =>
        UntilAsync(async () => await user.Client.BalanceAsync() == 4000 - (chats * 100));

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
            .WithEnvironment("Chat__Models__mock__Script__Delay", Thinking.ToString())));

        public ValueTask InitializeAsync() => System.InitializeAsync();

        public ValueTask DisposeAsync() => System.DisposeAsync();
    }
}
