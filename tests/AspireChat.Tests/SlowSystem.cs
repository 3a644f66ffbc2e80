using System.Diagnostics;
using Aspire.Hosting.ApplicationModel;
using Npgsql;
using Tests.Shared;
using Xunit.Sdk;

namespace AspireChat.Tests;

/// <summary>
/// A system whose model thinks for a while, and which soon takes a silent replica for dead: for tests that kill and
/// freeze its processes, one at a time.
/// </summary>
public sealed class SlowSystem : IAsyncLifetime
{
    /// <summary>More calls than there are replicas, so that each of them has answered one.</summary>
    private const int Calls = 4;

    private static readonly TimeSpan Thinking = TimeSpan.FromSeconds(8);

    /// <summary>The system.</summary>
    internal AppHostFixture System { get; } = new(builder => builder.OfChat(chat => chat
        .WithEnvironment("Chat__DeadAfter", "00:00:06")
        .WithEnvironment("Chat__DrainFor", "00:00:20") // Longer than the model thinks.
        .WithEnvironment("Chat__ModelTimeout", "00:05:00") // Longer than any outage, and so is the next one, doubled.
        .WithEnvironment("Chat__Models__mock__FirstByteTimeout", "00:02:30")
        .WithEnvironment("Chat__Models__mock__Script__Delay", Thinking.ToString())
        .WithEnvironment("Chat__DefaultModel", "mock")
        .WithEnvironment("Chat__Models__metered__Provider", "mock")
        .WithEnvironment("Chat__Models__metered__Price__Input", "1000")
        .WithEnvironment("Chat__Models__metered__Price__Output", "2000")
        .WithEnvironment("Chat__Models__metered__MaxOutputTokens", "200")));

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => System.InitializeAsync();

    public ValueTask DisposeAsync() => System.DisposeAsync();

    /// <summary>
    /// Lets the system get over the test before: calls that are balanced over replicas succeed several times in a row.
    /// </summary>
    internal async ValueTask RecoverAsync()
    {
        for (var n = 0; n < Calls; n++)
        {
            using var user = await NewUserAsync();
        }
    }

    /// <summary>A user whose calls succeed. Right after a crash one or the other may still be 503.</summary>
    internal async Task<SignedInUser> NewUserAsync()
    {
        SignedInUser? user = null;
        await UntilAsync(async () =>
        {
            user?.Dispose();
            user = await System.NewUserAsync();
            using var chats = await user.Client.ReadAsync("/api/chat");
            return await user.Client.BalanceAsync() == 4000 && chats.IsSuccessStatusCode;
        });
        return user!;
    }

    /// <summary>Ends processes at once, and waits until they are gone.</summary>
    /// <param name="resources">Such as <c>chat-2</c>.</param>
    internal async Task KillAsync(params string[] resources)
    {
        var processes = await Task.WhenAll(resources.Select(System.ProcessAsync));
        Array.ForEach(processes, process => process.Kill());
        foreach (var process in processes)
        {
            await process.WaitForExitAsync(CancellationToken).WaitAsync(AppHostFixture.StartTimeout, CancellationToken);
            process.Dispose();
        }
    }

    /// <summary>Waits until resources are healthy.</summary>
    internal async Task HealthyAsync(params string[] resources)
    {
        foreach (var resource in resources)
        {
            await System.App.ResourceNotifications.WaitForResourceHealthyAsync(
                    resource, WaitBehavior.WaitOnResourceUnavailable, CancellationToken)
                .WaitAsync(AppHostFixture.StartTimeout, CancellationToken);
        }
    }

    /// <summary>Stops processes, until what is returned is disposed of.</summary>
    /// <param name="resources">Such as <c>chat-2</c>.</param>
    internal async Task<IDisposable> FreezeAsync(params string[] resources)
    {
        var processes = await Task.WhenAll(resources.Select(System.ProcessAsync));
        Array.ForEach(processes, process => Signals.Send(process.Id, "STOP"));
        return new Frozen(processes);
    }

    /// <summary>Waits until a user has so many open holds.</summary>
    internal Task HeldAsync(SignedInUser user, int chats) =>
        UntilAsync(async () => await Books.HeldAsync(System, user) >= chats);

    /// <summary>Locks rows or a table in a transaction of its own, until what is returned is disposed of.</summary>
    /// <param name="database">Such as <c>chatdb</c>.</param>
    /// <param name="sql">Takes the lock.</param>
    internal async Task<NpgsqlConnection> LockAsync(string database, string sql)
    {
        var connection = await Books.OpenAsync(System, database);
        await using var command = new NpgsqlCommand($"BEGIN; {sql}", connection);
        await command.ExecuteNonQueryAsync(CancellationToken);
        return connection;
    }

    /// <summary>Waits until statements wait for a lock.</summary>
    /// <param name="database">Such as <c>chatdb</c>.</param>
    /// <param name="statement">What is in their text.</param>
    /// <param name="count">How many of them.</param>
    internal Task BlockedAsync(string database, string statement, int count) => UntilAsync(async () =>
        await Books.ReadAsync<long>(
            System, database,
            $"""
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = '{database}' AND wait_event_type = 'Lock' AND query LIKE '%{statement}%'
            """) >= count);

    /// <summary>
    /// Ends all other sessions of the database that a lock is in, so that what a dead process has sent is never carried
    /// out.
    /// </summary>
    internal Task EndSessionsAsync(NpgsqlConnection locked) => Books.ReadAsync<long>(
        System, locked.Database,
        $"""
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = '{locked.Database}' AND pid NOT IN (pg_backend_pid(), {locked.ProcessID})
        """);

    /// <summary>Polls until something is so.</summary>
    internal static async Task UntilAsync(Func<Task<bool>> condition)
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

    private sealed class Frozen(Process[] processes) : IDisposable
    {
        public void Dispose()
        {
            foreach (var process in processes)
            {
                Signals.Send(process.Id, "CONT");
                process.Dispose();
            }
        }
    }
}

/// <summary>Tests that kill processes of one system, in turn, and alone.</summary>
[CollectionDefinition(nameof(SlowSystem), DisableParallelization = true)]
public sealed class SlowSystemTests : ICollectionFixture<SlowSystem>;
