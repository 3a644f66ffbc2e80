using System.Diagnostics;
using Microsoft.Extensions.Hosting;
using OpenTelemetry;
using OpenTelemetry.Trace;

namespace ServiceDefaults.Tests;

/// <summary>Which spans are sent.</summary>
public sealed class BackgroundQueriesTests
{
    [Theory]
    [InlineData("Npgsql")]
    [InlineData("OpenTelemetry.Instrumentation.StackExchangeRedis")]
    public void Query_OfNoRequest_IsNotSent(string source) => Assert.Empty(Sent(source, inRequest: false));

    [Theory]
    [InlineData("Npgsql")]
    [InlineData("OpenTelemetry.Instrumentation.StackExchangeRedis")]
    public void Query_OfARequest_IsSentWithIt(string source) =>
        Assert.Equal(["query", "request"], Sent(source, inRequest: true));

    [Fact]
    public void Root_ThatIsNoQuery_IsSent() => Assert.Equal(["query"], Sent("Chat.Service", inRequest: false));

    private static List<string> Sent(string source, bool inRequest)
    {
        // Sources have the process in common, and tests of other classes run at the same time: a name of its own.
        var requests = $"requests {Guid.NewGuid()}";
        var exported = new List<Activity>();
        using var tracing = Sdk.CreateTracerProviderBuilder()
            .AddSource(requests, source)
            .AddProcessor(new BackgroundQueries())
            .AddInMemoryExporter(exported)
            .Build();
        using var requestSource = new ActivitySource(requests);
        using var querySource = new ActivitySource(source);
        using (inRequest ? requestSource.StartActivity("request") : null)
        {
            querySource.StartActivity("query")!.Dispose();
        }

        return [.. exported.Select(activity => activity.DisplayName)];
    }
}
