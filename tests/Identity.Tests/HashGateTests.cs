using System.Net;
using Identity.Service;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests;

/// <summary>A storm of logins computes few hashes at once, lets few wait, and leaves everything else alone.</summary>
public sealed class HashGateTests(IdentityFixture identity)
{
    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Turns_BeyondTheBound_WaitInOrderAndBeyondTheQueueAreRefused()
    {
        using var services =
            new ServiceCollection().AddMetrics().AddSingleton<IdentityMetrics>().BuildServiceProvider();
        using var gate = new HashGate(
            new LoginOptions { MaxParallelHashes = 2, MaxQueuedHashes = 3 },
            services.GetRequiredService<IdentityMetrics>());
        var first = await gate.EnterAsync("here", CancellationToken);
        using var second = await gate.EnterAsync("here", CancellationToken);
        using var leaving = new CancellationTokenSource();
        var waiting = new[] { CancellationToken, leaving.Token, CancellationToken }
            .Select(token => gate.EnterAsync("here", token).AsTask()).ToList();
        Assert.Equal((false, false), (first.IsRefused || first.Waited, second.IsRefused || second.Waited));
        Assert.All(waiting, turn => Assert.False(turn.IsCompleted));
        Assert.True((await gate.EnterAsync("here", CancellationToken)).IsRefused);

        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting[1].Soon());
        first.Dispose();
        using var third = await waiting[0].Soon();
        Assert.True(third is { IsRefused: false, Waited: true });
        Assert.False(waiting[2].IsCompleted);
        third.Dispose();
        using var fourth = await waiting[2].Soon();
        Assert.False(fourth.IsRefused);
    }

    [Fact]
    public async Task Turns_OfOneAddress_LeavePlacesToOthers()
    {
        using var services =
            new ServiceCollection().AddMetrics().AddSingleton<IdentityMetrics>().BuildServiceProvider();
        using var gate = new HashGate(
            new LoginOptions { MaxParallelHashes = 1, MaxQueuedHashes = 10, MaxQueuedHashesPerAddress = 2 },
            services.GetRequiredService<IdentityMetrics>());
        var first = await gate.EnterAsync("here", CancellationToken);
        var second = gate.EnterAsync("here", CancellationToken).AsTask();
        Assert.True((await gate.EnterAsync("here", CancellationToken)).IsRefused);
        var other = gate.EnterAsync("there", CancellationToken).AsTask();
        Assert.False(other.IsCompleted);

        first.Dispose();
        using var turn = await second.Soon();
        var third = gate.EnterAsync("here", CancellationToken).AsTask();
        Assert.False(third.IsCompleted);
        turn.Dispose();
        (await other.Soon()).Dispose();
        Assert.False((await third.Soon()).IsRefused);
    }

    [Fact]
    public async Task Logins_InAStorm_HashTwoAtOnce()
    {
        var hasher = new CountingHasher();
        await using var service = await StartAsync(hasher, parallel: 2, queued: 64);
        using var client = service.CreateClientAt(IdentityApi.NewAddress());
        var name = await client.NewNameAsync();
        // Each but the last waits for another beside it, so that two at once are seen whatever the timing.
        using var pair = new Barrier(2);
        hasher.Hold = () => pair.SignalAndWait(TimeSpan.FromSeconds(30), CancellationToken);
        await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => client.LogInAsync(name)));
        Assert.Equal(2, hasher.MostAtOnce);
    }

    [Fact]
    public async Task Login_BeyondTheQueue_Is503WithRetryAfterAndNothingElseWaits()
    {
        var hasher = new CountingHasher();
        await using var service = await StartAsync(hasher, parallel: 1, queued: 0);
        using var client = service.CreateClientAt(IdentityApi.NewAddress());
        var user = await client.NewUserAsync();
        var name = await client.NewNameAsync();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var release = new ManualResetEventSlim();
        hasher.Hold = () =>
        {
            entered.TrySetResult();
            release.Wait(CancellationToken);
        };
        var slow = client.LogInAsync(name);
        try
        {
            await entered.Task.Soon();
            (string, object)[] refusals =
            [
                ("/api/login", new { username = name, password = IdentityApi.Password }),
                ("/api/register", new { username = IdentityApi.NewName(), password = IdentityApi.Password }),
                ("/api/password", new { old = IdentityApi.Password, @new = "another password" }),
            ];
            foreach (var (path, body) in refusals)
            {
                using var refused = await client.CallAsync(HttpMethod.Post, path, user.Access, body);
                await refused.ProblemAsync(HttpStatusCode.ServiceUnavailable);
                Assert.Equal(TimeSpan.FromSeconds(1), refused.Headers.RetryAfter?.Delta);
            }

            using var refreshed = await client.RefreshAsync(user.Refresh);
            await refreshed.ReadAsync<LoginAnswer>(HttpStatusCode.OK);
            using var me = await client.CallAsync(HttpMethod.Get, "/api/me", user.Access);
            Assert.Equal(HttpStatusCode.OK, me.StatusCode);
        }
        finally
        {
            release.Set();
        }

        await slow;
        await client.LogInAsync(name);
    }

    private async Task<IdentityServer> StartAsync(CountingHasher hasher, int parallel, int queued)
    {
        var service = new IdentityServer(
            identity.ConnectionString,
            new() { ["Login:MaxParallelHashes"] = $"{parallel}", ["Login:MaxQueuedHashes"] = $"{queued}" },
            change: hasher.Use);
        await service.StartAsync();
        return service;
    }
}
