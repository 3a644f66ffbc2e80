using System.Diagnostics;
using System.Net;

namespace AspireChat.Tests;

/// <summary>
/// A replica that dies under load is left out at once, by the gateway and by services that call it. In a system of its
/// own, and alone, because it kills processes.
/// </summary>
[Collection(nameof(ReplicaTests))]
[CollectionDefinition(nameof(ReplicaTests), DisableParallelization = true)]
public sealed class ReplicaTests
{
    private const int Loops = 6;

    /// <summary>How many calls each loop makes to a system that has had its time to notice.</summary>
    private const int LateCalls = 100;

    /// <summary>How soon a dead replica must get no requests any more.</summary>
    private static readonly TimeSpan Notice = TimeSpan.FromSeconds(1);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("ledger")] // Called by the gateway and by the chat service.
    [InlineData("chat-2")] // It may have charged what it then could not answer.
    public async Task Replica_KilledUnderLoad_CostsNoRequestAfterASecond(string replica)
    {
        await using var system = new AppHostFixture(builder => builder.OfChat(
            chat => chat.WithEnvironment("Chat__Cost", "1").WithEnvironment("Chat__DeadAfter", "00:00:10")));
        await system.InitializeAsync();
        using var user = await system.NewUserAsync();
        using var process = await system.ProcessAsync(replica);

        var killed = long.MaxValue;
        var load = Enumerable.Range(0, Loops).Select(_ => LoadAsync(user.Client, IsLate)).ToList();
        await Task.WhenAny(load.Append(Task.Delay(Notice, Cancellation)));
        process.Kill();
        Volatile.Write(ref killed, Stopwatch.GetTimestamp());
        var calls = (await Task.WhenAll(load)).SelectMany(loop => loop).ToList();

        Assert.All(calls.Where(IsLate), call => Assert.True((int)call.Status is 200 or 201, $"{call}"));
        Assert.All(calls, call => Assert.True((int)call.Status is 200 or 201 or 502 or 503 or 504, $"{call}"));
        var acknowledged = calls.Count(call => call.Status == HttpStatusCode.Created);
        // What was acknowledged is there. A request whose answer was lost may have been carried out as well.
        Assert.InRange(await Books.AssertPaidForRepliesOnlyAsync(system, user), acknowledged, 4000);

        bool IsLate(Call call) => call.Began > Volatile.Read(ref killed)
            && Stopwatch.GetElapsedTime(killed, call.Began) > Notice;
    }

    /// <summary>Chats and reads, until enough calls were late.</summary>
    private static async Task<List<Call>> LoadAsync(HttpClient client, Predicate<Call> isLate)
    {
        var calls = new List<Call>();
        while (calls.Count < LateCalls || !isLate(calls[^LateCalls]))
        {
            var began = Stopwatch.GetTimestamp();
            using var response = calls.Count % 8 == 0
                ? await client.PostAsync("/api/chat", new { message = "under load" })
                : await client.ReadAsync("/api/tokens");
            calls.Add(new Call(began, response.StatusCode));
        }

        return calls;
    }

    private sealed record Call(long Began, HttpStatusCode Status);
}
