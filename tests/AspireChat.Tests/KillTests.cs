using System.Net;
using System.Net.Http.Json;
using Npgsql;

namespace AspireChat.Tests;

/// <summary>
/// Processes that are killed or frozen at a moment that a lock in Postgres holds still: with streams half sent, with
/// replies made and not stored, with an INSERT on its way, with holds and captures in a batch; and a ledger that is
/// away for two minutes. What is stored is paid for, nothing else is, and <c>verify</c> finds nothing.
/// </summary>
[Trait("Category", "Slow")]
[Collection(nameof(SlowSystem))]
public sealed class KillTests(SlowSystem slow) : IAsyncLifetime
{
    /// <summary>More than the batches that two replicas have under way, so that replies wait behind them.</summary>
    private const int Chats = 12;

    /// <summary>The statement that stores a chat; a tombstone's is another.</summary>
    private const string Store = "INTO chats (status";

    private static readonly TimeSpan Outage = TimeSpan.FromMinutes(2);

    private readonly AppHostFixture _system = slow.System;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => slow.RecoverAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>
    /// Both replicas die. What Postgres was sent it stores all the same, unless its sessions die as well. With their
    /// keys all chats can be sent again: the stored ones are replayed, the others are made, and each is paid for once.
    /// </summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Chat_KilledInMidStreamAndWhileItStores_IsPaidForWhatPostgresStored(bool isStored)
    {
        using var reader = await slow.NewUserAsync();
        using var user = await slow.NewUserAsync();
        var streams = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => BeginStreamAsync(reader.Client)));
        List<Task<HttpResponseMessage>> calls;
        await using (var locked = await LockChatsAsync())
        {
            calls = await StoreAsync(user);
            await slow.KillAsync("chat", "chat-2");
            if (!isStored)
            {
                await slow.EndSessionsAsync(locked);
            }
        }

        foreach (var stream in streams)
        {
            Assert.DoesNotContain("event: done", await RestAsync(stream), StringComparison.Ordinal);
        }

        foreach (var call in calls)
        {
            try
            {
                using var response = await call;
                Assert.True((int)response.StatusCode is 409 or 502 or 503 or 504, $"{response.StatusCode}");
            }
            catch (HttpRequestException)
            {
                // Its answer was cut off in the middle.
            }
        }

        Assert.Equal(0, await Books.AssertPaidForRepliesOnlyAsync(_system, reader));
        var stored = await Books.AssertPaidForRepliesOnlyAsync(_system, user);
        Assert.InRange(stored, isStored ? 1 : 0, isStored ? Chats : 0);
        await slow.HealthyAsync("chat", "chat-2");
        var replayed = 0;
        for (var n = 0; n < Chats; n++)
        {
            using var again = await user.Client.PostAsync("/api/chat", Message(n), $"key-{n}");
            Assert.Equal(HttpStatusCode.Created, again.StatusCode);
            replayed += again.Headers.Contains("Idempotency-Replayed") ? 1 : 0;
        }

        Assert.Equal(stored, replayed);
        Assert.Equal(Chats, await Books.AssertPaidForRepliesOnlyAsync(_system, user));
        await Books.AssertVerifiedAsync(_system);
    }

    /// <summary>
    /// A replica is frozen until the other one has settled all that it had. Its INSERTs that were on their way are
    /// stored and paid for, and when it goes on it pays for none twice; what it stores then comes too late.
    /// </summary>
    [Fact]
    public async Task Chat_FrozenWhileItStores_PaysOnceAndStoresNothingBehindATombstone()
    {
        using var user = await slow.NewUserAsync();
        List<Task<HttpResponseMessage>> calls;
        var locked = await LockChatsAsync();
        await using (locked)
        {
            calls = await StoreAsync(user);
            using var frozen = await slow.FreezeAsync("chat-2");
            await locked.DisposeAsync();
            await SlowSystem.UntilAsync(async () => await Books.HeldAsync(_system, user) == 0);
        }

        var stored = 0;
        foreach (var call in calls)
        {
            using var response = await call;
            if (response.StatusCode is not HttpStatusCode.Created)
            {
                Assert.Equal("too_late", (await response.ProblemAsync(HttpStatusCode.GatewayTimeout)).Code);
                continue;
            }

            stored++;
        }

        Assert.Equal(stored, await Books.AssertPaidForRepliesOnlyAsync(_system, user));
        Assert.InRange(stored, 1, Chats);
        await Books.AssertVerifiedAsync(_system);
    }

    /// <summary>
    /// The accounts are locked, so that holds and captures wait in their batches: before the hold is answered, and in
    /// the middle of the capture. Then those that sent the batches die, or those that carry them out.
    /// </summary>
    [Theory]
    [InlineData("chat", "chat-2")]
    [InlineData("ledger", "ledger-2")]
    public async Task Replicas_KilledInMidBatch_ChargeForStoredChatsOnly(string one, string other)
    {
        const int Early = 4;
        using var user = await slow.NewUserAsync();
        var calls = Enumerable.Range(0, Early)
            .Select(_ => user.Client.PostAsync("/api/chat", new { message = "[[delay 2s]] early" })).ToList();
        await slow.HeldAsync(user, Early);
        await using (await slow.LockAsync("ledgerdb", "SELECT FROM accounts FOR UPDATE"))
        {
            calls.AddRange(Enumerable.Range(0, Early)
                .Select(_ => user.Client.PostAsync("/api/chat", new { message = "[[delay 0s]] late" })));
            await SlowSystem.UntilAsync(async () => await Books.StoredAsync(_system, user) == Early);
            await slow.BlockedAsync("ledgerdb", "carry_out", count: 1);
            await slow.KillAsync(one, other);
        }

        var acknowledged = 0;
        foreach (var call in calls)
        {
            using var response = await call;
            Assert.True((int)response.StatusCode is 201 or 502 or 503 or 504, $"{response.StatusCode}");
            acknowledged += response.StatusCode is HttpStatusCode.Created ? 1 : 0;
        }

        await slow.HealthyAsync(one, other);
        Assert.InRange(
            await Books.AssertPaidForRepliesOnlyAsync(_system, user), Math.Max(acknowledged, Early), 2 * Early);
        await Books.AssertVerifiedAsync(_system);
    }

    /// <summary>
    /// Chats that began before the outage end in it or live through it: they are paid for, and no replica sweeps those
    /// of another when the ledger is back. What comes meanwhile is refused, though the ledger may hold for it later.
    /// </summary>
    [Fact]
    public async Task Ledger_AwayForTwoMinutes_ChargesForAllThatBeganBeforeAndNothingElse()
    {
        using var user = await slow.NewUserAsync();
        using var patient = _system.CreateClient();
        patient.Timeout = AppHostFixture.StartTimeout;
        patient.DefaultRequestHeaders.Authorization = user.Client.DefaultRequestHeaders.Authorization;
        var calls = Enumerable.Range(0, 8).Select(n => n % 2 == 0 ? "short" : "[[delay 150s]] long")
            .Select(message => patient.PostAsJsonAsync("/api/chat", new { message }, CancellationToken)).ToList();
        await slow.HeldAsync(user, calls.Count);
        using (await slow.FreezeAsync("ledger", "ledger-2"))
        {
            var outage = Task.Delay(Outage, CancellationToken);
            while (!outage.IsCompleted)
            {
                using var refused = await patient.PostAsJsonAsync(
                    "/api/chat", new { message = "[[delay 0s]] refused" }, CancellationToken);
                await refused.ProblemAsync(HttpStatusCode.ServiceUnavailable);
            }
        }

        foreach (var call in calls)
        {
            using var response = await call;
            await response.ReadAsync<ChatAnswer>(HttpStatusCode.Created);
        }

        await slow.HealthyAsync("ledger", "ledger-2");
        Assert.Equal(calls.Count, await Books.AssertPaidForRepliesOnlyAsync(_system, user));
        await Books.AssertVerifiedAsync(_system);
    }

    private static object Message(int n) => new { message = $"[[delay 0s]] {n}" };

    /// <summary>Lets nobody write to the table, and everybody read.</summary>
    private Task<NpgsqlConnection> LockChatsAsync() => slow.LockAsync("chatdb", "LOCK TABLE chats IN SHARE MODE");

    /// <summary>Chats with keys. Those that were stored first wait for the lock, the others for them.</summary>
    private async Task<List<Task<HttpResponseMessage>>> StoreAsync(SignedInUser user)
    {
        var calls = Enumerable.Range(0, Chats)
            .Select(n => user.Client.PostAsync("/api/chat", Message(n), $"key-{n}")).ToList();
        await slow.HeldAsync(user, Chats);
        await slow.BlockedAsync("chatdb", Store, count: 2); // Up to two at each replica.
        return calls;
    }

    /// <summary>A stream whose model says three words and no more.</summary>
    private static async Task<StreamReader> BeginStreamAsync(HttpClient client)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat")
        {
            Content = JsonContent.Create(new { message = "[[delay 0s]] [[stall 3]]" }),
        };
        request.Headers.Accept.ParseAdd("text/event-stream");
        var response = await client.SendAsync(
            request, HttpCompletionOption.ResponseHeadersRead, CancellationToken);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var stream = new StreamReader(await response.Content.ReadAsStreamAsync(CancellationToken));
        string? line;
        do
        {
            line = await stream.ReadLineAsync(CancellationToken).AsTask()
                .WaitAsync(AppHostFixture.StartTimeout, CancellationToken);
        }
        while (line is not (null or "event: delta"));

        Assert.NotNull(line);
        return stream;
    }

    /// <summary>What else comes, until the stream breaks.</summary>
    private static async Task<string> RestAsync(StreamReader stream)
    {
        using (stream)
        {
            var rest = "";
            try
            {
                while (await stream.ReadLineAsync(CancellationToken).AsTask()
                    .WaitAsync(AppHostFixture.StartTimeout, CancellationToken) is { } line)
                {
                    rest += $"{line}\n";
                }
            }
            catch (Exception exception) when (exception is IOException or HttpRequestException)
            {
                // It was cut.
            }

            return rest;
        }
    }
}
