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
            // Whatever ends too early would be the first to end.
            var database = Program(builder, "database", seconds: 0);
            var identity = Program(builder, "identity", seconds: 0.5);
            var chat = Program(builder, "chat", seconds: 1);
            var gateway = Program(builder, "gateway", seconds: 1.5);
            gateway.Relate(identity.Resource, "Reference").Relate(chat.Resource, "Reference");
            identity.Relate(chat.Resource, "Reference").Relate(database.Resource, "Reference");
            chat.Relate(identity.Resource, "Reference").Relate(database.Resource, "Reference");
        });
        foreach (var name in new[] { "database", "identity", "chat", "gateway" })
        {
            await app.SaysAsync(name, "ready");
        }

        Assert.Equal(["gateway", "identity", "chat", "database"], await app.StopAsync(count: 4));
    }

    private static IResourceBuilder<ExecutableResource> Program(
        IDistributedApplicationBuilder builder, string name, double seconds) => builder.AddExecutable(
        name, "sh", ".", "-c",
        FormattableString.Invariant($"trap 'sleep {seconds}; exit 0' TERM; echo ready; while :; do sleep 0.1; done"));
}
