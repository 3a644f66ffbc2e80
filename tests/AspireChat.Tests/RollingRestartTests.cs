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

    /// <summary>How many calls each loop makes before the first replica is stopped: cold ones take long.</summary>
    private const int Calls = 10;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>The gateway does not keep bodies of that size, so it cannot send them to another replica.</summary>
    [Fact]
    public async Task Chats_OfManyBytesDuringARollingRestart_AreAllAnswered()
    {
        await using var system = new AppHostFixture(builder =>
        {
            builder.OfChat(chat => chat.WithEnvironment("Chat__Cost", "1"));
            foreach (var gateway in builder.Resources.OfType<ProjectResource>().Where(each => each.Name is "gateway"))
            {
                builder.CreateResourceBuilder(gateway).WithEnvironment("Limits__Enabled", "false");
            }
        });
        await system.InitializeAsync();
        using var user = await system.NewUserAsync();
        using var ended = new CancellationTokenSource();
        using var warm = new CountdownEvent(Loops);
        var load = Enumerable.Range(0, Loops)
            .Select(_ => Task.Run(() => LoadAsync(user.Client, warm, ended.Token))).ToList();
        await Task.Run(() => warm.Wait(Cancellation), Cancellation);
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
        Assert.DoesNotContain(answers, answer => answer.Status is not HttpStatusCode.OK);
        Assert.Equal(answers.Count, await Books.AssertPaidForRepliesOnlyAsync(system, user));
    }

    private static async Task<List<(HttpStatusCode Status, string Body)>> LoadAsync(
        HttpClient client, CountdownEvent warm, CancellationToken ended)
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
        var answers = new List<(HttpStatusCode Status, string Body)>();
        while (!ended.IsCancellationRequested)
        {
            using var response = await client.PostAsync("/api/v1/chat/completions", body);
            answers.Add((response.StatusCode, await response.Content.ReadAsStringAsync(Cancellation)));
            if (answers.Count == Calls)
            {
                warm.Signal();
            }
        }

        return answers;
    }
}
