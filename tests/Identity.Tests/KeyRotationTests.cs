using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Identity.Service;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests;

/// <summary>
/// Keys change while two replicas run. Hours pass by the clock of the replicas; what waits for something to be done
/// waits for real.
/// </summary>
public sealed class KeyRotationTests(IdentityFixture identity)
{
    private const int Rotations = 4;
    private const int Loops = 4;

    private static readonly TimeSpan SignFor = TimeSpan.FromHours(10);
    private static readonly TimeSpan PublishAhead = TimeSpan.FromHours(2);
    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(2);

    private readonly TestClock _clock = new();

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Keys_RotatedUnderTraffic_FailNoRequest()
    {
        var connectionString = await identity.CreateDatabaseAsync();
        await using var one = Replica(connectionString);
        await using var other = Replica(connectionString);
        await Task.WhenAll(one.StartAsync(), other.StartAsync());
        var replicas = new[] { one.CreateClient(), other.CreateClient() };
        await using var service = new ResourceServer(replicas.Select(client => client.BaseAddress!));
        await service.StartAsync();

        await using var traffic = new Traffic(replicas, service);
        var firstKey = Assert.Single(await KeysAsync(replicas[0]));
        for (var rotation = 0; rotation < Rotations; rotation++)
        {
            var before = await KeysAsync(replicas[0]);
            await traffic.PassAsync(SignFor - PublishAhead + Margin, _clock);
            await UntilAsync(() => SeeAsync(replicas, keys => keys.Except(before).Any()));
            var next = Assert.Single((await KeysAsync(replicas[1])).Except(before));
            await UntilAsync(() => service.KnowsAsync(next));
            // Known everywhere, and used by nobody yet.
            Assert.DoesNotContain(next, await traffic.SigningKeysAsync());

            await traffic.PassAsync(PublishAhead + Margin, _clock);
            await UntilAsync(async () => (await traffic.SigningKeysAsync()).All(key => key == next));
            await traffic.GoOnAsync();
        }

        // The last tokens of the first key have ended.
        await UntilAsync(() => SeeAsync(replicas, keys => !keys.Contains(firstKey)));
        await UntilAsync(async () => !await service.KnowsAsync(firstKey));
        await traffic.GoOnAsync();
        Assert.Empty(await traffic.EndAsync());

        // Both replicas saw that the next keys were due, and one made them.
        await using var scope = one.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IdentityDb>();
        var rows = await db.SigningKeys.ToListAsync(CancellationToken).Soon();
        Assert.Equal(2 * (1 + Rotations), rows.Count);
        Assert.All(rows.GroupBy(row => row.Use), keys => Assert.Equal(1 + Rotations, keys.Count()));
    }

    [Fact]
    public async Task Keys_TakenOutOfTheDatabase_AreGoneFromAllReplicasAndNewOnesAreMade()
    {
        var connectionString = await identity.CreateDatabaseAsync();
        await using var one = Replica(connectionString);
        await using var other = Replica(connectionString);
        await Task.WhenAll(one.StartAsync(), other.StartAsync());
        var replicas = new[] { one.CreateClient(), other.CreateClient() };
        await using var service = new ResourceServer(replicas.Select(client => client.BaseAddress!));
        await service.StartAsync();
        var stolen = await replicas[0].NewUserAsync();
        Assert.Equal(HttpStatusCode.OK, await service.CallAsync(stolen.Access));
        foreach (var replica in replicas)
        {
            using var me = await replica.CallAsync(HttpMethod.Get, "/api/me", stolen.Access);
            Assert.Equal(HttpStatusCode.OK, me.StatusCode); // They have seen the token, and forget it with its key.
        }

        await using (var scope = one.Services.CreateAsyncScope())
        {
            await scope.ServiceProvider.GetRequiredService<IdentityDb>().SigningKeys
                .ExecuteDeleteAsync(CancellationToken).Soon();
        }

        await UntilAsync(() => SeeAsync(replicas, keys => keys.Count == 1 && !keys.Contains(KeyOf(stolen.Access))));
        Assert.Equal(await KeysAsync(replicas[0]), await KeysAsync(replicas[1]));
        foreach (var replica in replicas)
        {
            using var me = await replica.CallAsync(HttpMethod.Get, "/api/me", stolen.Access);
            Assert.Equal(HttpStatusCode.Unauthorized, me.StatusCode);
            using var again = await replica.CallAsync(
                HttpMethod.Get, "/api/me", (await replica.NewUserAsync()).Access);
            Assert.Equal(HttpStatusCode.OK, again.StatusCode);
        }

        // A service that has seen the token and the key forgets both.
        await UntilAsync(async () => !await service.KnowsAsync(KeyOf(stolen.Access)));
        Assert.Equal(HttpStatusCode.Unauthorized, await service.CallAsync(stolen.Access));
        Assert.Equal(HttpStatusCode.OK, await service.CallAsync((await replicas[0].NewUserAsync()).Access));
    }

    [Fact]
    public async Task Token_OfAKeyThatAReplicaHasNotReadYet_IsGoodThereToo()
    {
        var connectionString = await identity.CreateDatabaseAsync();
        await using var one = Replica(connectionString);
        // It reads the keys when it starts, and not again while this test runs.
        await using var other = Replica(connectionString, readInterval: "01:00:00");
        await Task.WhenAll(one.StartAsync(), other.StartAsync());
        using var first = one.CreateClient();
        using var second = other.CreateClient();
        var known = await KeysAsync(second);

        _clock.Ahead += SignFor - PublishAhead + Margin;
        await UntilAsync(() => SeeAsync([first], keys => keys.Count == 2));
        _clock.Ahead += PublishAhead + Margin;
        await UntilAsync(async () => !known.Contains(KeyOf((await first.NewUserAsync()).Access)));
        var tokens = await first.NewUserAsync();
        Assert.Equal(known, await KeysAsync(second));

        using var refreshed = await second.RefreshAsync(tokens.Refresh);
        var rotated = await refreshed.ReadAsync<LoginAnswer>(HttpStatusCode.OK);
        // It has read the keys for that, and signs with the new one from the next request on.
        using var again = await second.RefreshAsync(rotated.Refresh);
        Assert.Equal(KeyOf(tokens.Access), KeyOf((await again.ReadAsync<LoginAnswer>(HttpStatusCode.OK)).Access));
    }

    [Fact]
    public async Task Command_ToRotate_PublishesTheNextKeyOnceAndRefusesNoToken()
    {
        var connectionString = await identity.CreateDatabaseAsync();
        await using var replica = Replica(connectionString);
        await replica.StartAsync();
        using var client = replica.CreateClient();
        var first = Assert.Single(await KeysAsync(client));
        var tokens = await client.NewUserAsync();

        var outputs = new List<string>();
        for (var run = 0; run < 2; run++)
        {
            var (exitCode, output, error) = await RotateAsync(connectionString, IdentityServer.KeySecret);
            Assert.True(exitCode == 0, error);
            Assert.Contains("Signing key", output, StringComparison.Ordinal);
            outputs.Add(output);
        }

        Assert.Equal(outputs[0], outputs[1]); // The second finds what the first has made.
        await UntilAsync(() => SeeAsync([client], keys => keys.Count == 2));
        // The next one does not sign until everybody knows it.
        Assert.Equal(first, KeyOf((await client.NewUserAsync()).Access));
        _clock.Ahead += PublishAhead + Margin;
        await UntilAsync(async () => first != KeyOf((await client.NewUserAsync()).Access));
        using var me = await client.CallAsync(HttpMethod.Get, "/api/me", tokens.Access);
        Assert.Equal(HttpStatusCode.OK, me.StatusCode);
    }

    [Fact]
    public async Task Command_ToRotateWithAnotherSecret_EndsWithASentenceAndMakesNoKey()
    {
        var connectionString = await identity.CreateDatabaseAsync();
        await using var replica = Replica(connectionString);
        await replica.StartAsync();
        var (exitCode, _, error) = await RotateAsync(connectionString, new string('x', 40));
        Assert.Equal(1, exitCode);
        Assert.Contains("Auth:KeyProtectionSecret", error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        await using var scope = replica.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IdentityDb>();
        Assert.Equal(2, await db.SigningKeys.CountAsync(CancellationToken).Soon());
    }

    private static Task<(int ExitCode, string Output, string Error)> RotateAsync(
        string connectionString, string secret) => StartTests.RunAsync(
        new()
        {
            ["ConnectionStrings:identitydb"] = connectionString,
            ["Auth:KeyProtectionSecret"] = secret,
            ["Auth:RefreshTokenLifetime"] = "1.00:00:00",
            ["Auth:KeyRotation:SignFor"] = $"{SignFor}",
            ["Auth:KeyRotation:PublishAhead"] = $"{PublishAhead}",
        },
        "rotate-keys");

    private IdentityServer Replica(string connectionString, string readInterval = "00:00:00.1") => new(
        connectionString,
        new()
        {
            ["Auth:AccessTokenLifetime"] = "1.00:00:00",
            ["Auth:RefreshTokenLifetime"] = "1.00:00:00",
            ["Auth:KeyRefreshInterval"] = "00:00:02",
            ["Auth:KeyRotation:SignFor"] = $"{SignFor}",
            ["Auth:KeyRotation:PublishAhead"] = $"{PublishAhead}",
            ["Auth:KeyRotation:ReadInterval"] = readInterval,
        },
        _clock);

    private static string KeyOf(string access) => Jwt.Read(access).Header.GetProperty("kid").GetString()!;

    private static async Task<IReadOnlyList<string>> KeysAsync(HttpClient replica)
    {
        using var response = await replica.GetAsync("/.well-known/jwks", CancellationToken).Soon();
        var document = await response.ReadAsync<JsonElement>(HttpStatusCode.OK);
        return [.. document.GetProperty("keys").EnumerateArray().Select(key => key.GetProperty("kid").GetString()!)];
    }

    private static async Task<bool> SeeAsync(
        IEnumerable<HttpClient> replicas, Predicate<IReadOnlyList<string>> condition) =>
        (await Task.WhenAll(replicas.Select(KeysAsync))).All(keys => condition(keys));

    private static Task UntilAsync(Func<Task<bool>> condition) => AskAsync(condition).Soon();

    private static async Task AskAsync(Func<Task<bool>> condition)
    {
        while (!await condition())
        {
            await Task.Delay(20, CancellationToken);
        }
    }

    /// <summary>
    /// Loops that refresh at one replica after the other and call the service, with their new access token and with one
    /// of every key that still lives.
    /// </summary>
    private sealed class Traffic : IAsyncDisposable
    {
        private readonly HttpClient[] _replicas;
        private readonly ResourceServer _service;
        private readonly ConcurrentQueue<string> _failures = new();
        private readonly Task[] _loops;
        private readonly int[] _rounds = new int[Loops];
        private volatile IReadOnlyList<(string Access, DateTimeOffset Ends)> _held = [];
        private volatile bool _ending;

        public Traffic(HttpClient[] replicas, ResourceServer service)
        {
            (_replicas, _service) = (replicas, service);
            _loops = [.. Enumerable.Range(0, Loops).Select(RunAsync)];
        }

        /// <summary>Lets time pass. Tokens that end in it are not sent any more.</summary>
        public async Task PassAsync(TimeSpan time, TestClock clock)
        {
            var now = clock.GetUtcNow();
            var issued = await Task.WhenAll(_replicas.Select(replica => replica.NewUserAsync()));
            _held =
            [
                .. _held.Concat(issued.Select(tokens => (tokens.Access, now.AddDays(1) - Margin)))
                    .Where(token => token.Item2 > now + time),
            ];
            await GoOnAsync();
            clock.Ahead += time;
            await GoOnAsync();
        }

        /// <summary>Waits for whole rounds of every loop.</summary>
        public async Task GoOnAsync()
        {
            var rounds = (int[])_rounds.Clone();
            await UntilAsync(() => Task.FromResult(
                _loops.Any(loop => loop.IsCompleted)
                || _rounds.Zip(rounds).All(round => round.First >= round.Second + 2)));
            Assert.DoesNotContain(_loops, loop => loop.IsCompleted);
        }

        /// <summary>Which key each replica signs with.</summary>
        public async Task<string[]> SigningKeysAsync() => await Task.WhenAll(
            _replicas.Select(async replica => KeyOf((await replica.NewUserAsync()).Access)));

        /// <summary>Ends the loops.</summary>
        /// <returns>What failed.</returns>
        public async Task<IReadOnlyCollection<string>> EndAsync()
        {
            _ending = true;
            await Task.WhenAll(_loops).Soon();
            return _failures;
        }

        public async ValueTask DisposeAsync()
        {
            _ending = true;
            await Task.WhenAll(_loops).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        private async Task RunAsync(int loop)
        {
            var tokens = await _replicas[0].NewUserAsync();
            while (!_ending)
            {
                var replica = _replicas[_rounds[loop] % _replicas.Length];
                using var response = await replica.RefreshAsync(tokens.Refresh);
                tokens = await response.ReadAsync<LoginAnswer>(HttpStatusCode.OK);
                foreach (var access in _held.Select(token => token.Access).Append(tokens.Access))
                {
                    var status = await _service.CallAsync(access);
                    if (status != HttpStatusCode.OK)
                    {
                        _failures.Enqueue($"{status} with {KeyOf(access)} in round {_rounds[loop]} of loop {loop}");
                    }
                }

                Interlocked.Increment(ref _rounds[loop]);
            }
        }
    }
}
