using System.Net;
using Aspire.Hosting.ApplicationModel;

namespace AspireChat.Tests;

/// <summary>
/// Replicas of Chat that are stopped and started in turn, as in an update, refuse nobody: they say that they stop
/// before they take no more chats on. In a system of its own, and alone, because it stops replicas.
/// </summary>
[Trait("Category", "Slow")]
[Collection(nameof(RollingRestartTests))]
[CollectionDefinition(nameof(RollingRestartTests), DisableParallelization = true)]
public sealed class RollingRestartTests
{
    private const int Loops = 4;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>The gateway does not keep bodies of that size, so it cannot send them to another replica.</summary>
    [Fact]
    public async Task Chats_OfManyBytesDuringARollingRestart_AreAllAnswered()
    {
        await using var system = new AppHostFixture(builder => builder.OfChat(
            chat => chat.WithEnvironment("Chat__Cost", "1")));
        await system.InitializeAsync();
        using var user = await system.NewUserAsync();
        using var ended = new CancellationTokenSource();
        var load = Enumerable.Range(0, Loops).Select(_ => Task.Run(() => LoadAsync(user.Client, ended.Token))).ToList();
        foreach (var replica in new[] { "chat", "chat-2" })
        {
            foreach (var command in new[] { KnownResourceCommands.StopCommand, KnownResourceCommands.StartCommand })
            {
                var done = await system.App.ResourceCommands.ExecuteCommandAsync(replica, command, Cancellation);
                Assert.True(done.Success, done.Message);
            }

            await system.App.ResourceNotifications.WaitForResourceHealthyAsync(replica, Cancellation)
                .WaitAsync(AppHostFixture.StartTimeout, Cancellation);
        }

        await ended.CancelAsync();
        var answers = (await Task.WhenAll(load)).SelectMany(loop => loop).ToList();
        Assert.Equal([HttpStatusCode.OK], answers.Distinct());
        Assert.Equal(answers.Count, await Books.AssertPaidForRepliesOnlyAsync(system, user));
    }

    private static async Task<List<HttpStatusCode>> LoadAsync(HttpClient client, CancellationToken ended)
    {
        // What was said before is long, and the message that is answered is short.
        var body = new
        {
            model = "mock",
            messages = new[]
            {
                new { role = "system", content = new string('x', 100_000) }, new { role = "user", content = "hello" },
            },
        };
        var answers = new List<HttpStatusCode>();
        while (!ended.IsCancellationRequested)
        {
            using var response = await client.PostAsync("/api/v1/chat/completions", body);
            answers.Add(response.StatusCode);
        }

        return answers;
    }
}
