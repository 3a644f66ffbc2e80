using System.Net;

namespace AspireChat.Tests;

/// <summary>
/// A replica that dies under load is left out at once, by the gateway and by services that call it: no request fails
/// that another replica can take. In a system of its own, and alone, because it kills processes.
/// </summary>
[Trait("Category", "Slow")]
[Collection(nameof(ReplicaTests))]
[CollectionDefinition(nameof(ReplicaTests), DisableParallelization = true)]
public sealed class ReplicaTests
{
    private const int Loops = 6;

    /// <summary>How many calls each loop makes before the kill, and how many after it.</summary>
    private const int Calls = 100;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("ledger")] // Called by the gateway and by the chat service.
    [InlineData("chat-2")] // It may have charged what it then could not answer.
    public async Task Replica_KilledUnderLoad_FailsNothingThatAnotherCanTake(string replica)
    {
        await using var system = new AppHostFixture(builder => builder.OfChat(
            chat => chat.WithEnvironment("Chat__Cost", "1").WithEnvironment("Chat__DeadAfter", "00:00:10")));
        await system.InitializeAsync();
        using var user = await system.NewUserAsync();
        using var process = await system.ProcessAsync(replica);

        var killed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var warm = new CountdownEvent(Loops);
        var load = Enumerable.Range(0, Loops).Select(_ => Task.Run(() => LoadAsync(user.Client, warm, killed.Task)))
            .ToList();
        await Task.Run(() => warm.Wait(Cancellation), Cancellation);
        process.Kill();
        await process.WaitForExitAsync(Cancellation);
        killed.SetResult();
        var calls = (await Task.WhenAll(load)).SelectMany(loop => loop).ToList();

        // Only a chat that was on its way to the replica when that died has no answer, or is not answered yet.
        var lost = calls.Where(call => (int)call.Status is not (200 or 201)).ToList();
        Assert.All(lost, call => Assert.True(call is { IsChat: true, BeganBefore: true }, $"{call}"));
        Assert.All(lost, call => Assert.True(
            call.Status is HttpStatusCode.BadGateway or HttpStatusCode.Conflict, $"{call}"));
        Assert.InRange(lost.Count, 0, replica == "ledger" ? 0 : Loops);
        var acknowledged = calls.Count(call => call.Status == HttpStatusCode.Created);
        // What was acknowledged is there. A request whose answer was lost may have been carried out as well.
        Assert.InRange(await Books.AssertPaidForRepliesOnlyAsync(system, user), acknowledged, 4000);
    }

    /// <summary>Chats, with and without a key, and reads, until enough of them began after the kill.</summary>
    private static async Task<List<Call>> LoadAsync(HttpClient client, CountdownEvent warm, Task killed)
    {
        var calls = new List<Call>();
        for (var late = 0; late < Calls;)
        {
            var isLate = killed.IsCompleted;
            late += isLate ? 1 : 0;
            var kind = calls.Count % 8;
            using var response = kind switch
            {
                0 => await client.PostAsync("/api/chat", new { message = "under load" }),
                4 => await client.PostAsync("/api/chat", new { message = "with a key" }, $"{Guid.NewGuid()}"),
                _ => await client.ReadAsync("/api/tokens"),
            };
            calls.Add(new Call(
                kind % 4 == 0, !isLate, response.StatusCode,
                await response.Content.ReadAsStringAsync(Cancellation)));
            if (calls.Count == Calls)
            {
                warm.Signal();
            }
        }

        return calls;
    }

    private sealed record Call(bool IsChat, bool BeganBefore, HttpStatusCode Status, string Body);
}
