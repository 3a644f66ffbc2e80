using Aspire.Hosting.ApplicationModel;

namespace Aspire.Local.Tests;

/// <summary>When the application stops, nothing is taken from under those that still run.</summary>
public sealed class StopOrderTests
{
    [Fact]
    public async Task Resources_ThatUseEachOtherInACircle_EndAfterTheirUsersAndBeforeWhatTheyUse()
    {
        await using var app = await TestApp.StartAsync(builder =>
        {
            // Whatever is stopped too early is the first to end.
            var database = Program(builder, "database", seconds: 0);
            var identity = Program(builder, "identity", seconds: 0);
            var chat = Program(builder, "chat", seconds: 0);
            var gateway = Program(builder, "gateway", seconds: 1);
            gateway.Relate(identity.Resource, "Reference"); // And so it uses chat.
            identity.Relate(chat.Resource, "Reference").Relate(database.Resource, "Reference");
            chat.Relate(identity.Resource, "Reference").Relate(database.Resource, "Reference");
        });
        foreach (var name in new[] { "database", "identity", "chat", "gateway" })
        {
            await app.SaysAsync(name, "ready");
        }

        var ended = await app.StopAsync(count: 4);
        Assert.Equal("gateway", ended[0]);
        Assert.Equal(["chat", "identity"], ended.Skip(1).Take(2).Order());
        Assert.Equal("database", ended[3]);
    }

    private static IResourceBuilder<ExecutableResource> Program(
        IDistributedApplicationBuilder builder, string name, double seconds) => builder.AddExecutable(
        name, "sh", ".", "-c",
        FormattableString.Invariant($"trap 'sleep {seconds}; exit 0' TERM; echo ready; while :; do sleep 0.1; done"));
}
