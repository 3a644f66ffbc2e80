using System.Diagnostics;
using System.Net;

namespace AspireChat.Tests;

/// <summary>One id for a request in all services, in what it is answered and in the logs (W3C Trace Context).</summary>
public sealed class RequestIdTests(AppHostFixture system)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Failure_BehindTheGateway_IsFoundInTheLogByItsTraceId()
    {
        using var user = await system.NewUserAsync();
        using var response = await user.Client.PostAsync("/api/chat", new { message = "[[error]]" });
        var problem = await response.ProblemAsync(HttpStatusCode.BadGateway);
        await LoggedAsync("chat", ActivityContext.Parse(problem.TraceId!, traceState: null).TraceId.ToHexString());
    }

    [Fact]
    public async Task Trace_OfTheCaller_IsGoneOnWith()
    {
        using var user = await system.NewUserAsync();
        var trace = ActivityTraceId.CreateRandom().ToHexString();
        user.Client.DefaultRequestHeaders.Add("traceparent", $"00-{trace}-{ActivitySpanId.CreateRandom()}-01");
        using var response = await user.Client.PostAsync("/api/chat", new { message = "[[error]]" });
        Assert.Contains(
            trace, (await response.ProblemAsync(HttpStatusCode.BadGateway)).TraceId, StringComparison.Ordinal);
        await LoggedAsync("chat", trace);
    }

    private async Task LoggedAsync(string service, string trace)
    {
        using var patience = new CancellationTokenSource(Timeout);
        while (!$"{system.Output}".Split('\n').Any(line =>
            line.Contains($".Resources.{service}", StringComparison.Ordinal)
            && line.Contains($" {trace} No reply for chat", StringComparison.Ordinal)))
        {
            await Task.Delay(50, patience.Token); // Output comes a little later than the answer.
        }
    }
}
