using System.Diagnostics;
using System.Text.Json;
using Tests.Shared;

namespace AspireChat.Tests.Telemetry;

/// <summary>Telemetry goes to any OTLP back end: to one that nobody here wrote, in place of the dashboard.</summary>
[Trait("Category", "Slow")]
public sealed class OtherBackEndTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Chat_WithAnotherBackEnd_ArrivesThereAsOneTraceDownToPostgres()
    {
        using var receiver = Npm.Start(
            "node",
            [
                Path.Combine(AppContext.BaseDirectory, "Telemetry", "receiver.mjs"),
                await Npm.InstallAsync("@elastic/mockotlpserver@0.10.0"),
            ],
            []);
        _ = receiver.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            var address = await ReadAsync(receiver, "at ");
            var system = new AppHostFixture($"--OTEL_EXPORTER_OTLP_ENDPOINT={address}");
            await using (system.ConfigureAwait(false))
            {
                await system.InitializeAsync();
                using var user = await system.NewUserAsync();
                var trace = ActivityTraceId.CreateRandom().ToString();
                user.Client.DefaultRequestHeaders.Add("traceparent", $"00-{trace}-{ActivitySpanId.CreateRandom()}-01");
                using var response = await user.Client.PostAsync("/api/chat", new { message = "Hello AI" });
                Assert.True(response.IsSuccessStatusCode, $"Got {response.StatusCode}.");
                await AssertArrivesAsync(receiver, trace);
            }
        }
        finally
        {
            receiver.Kill(entireProcessTree: true);
        }
    }

    private static async Task AssertArrivesAsync(Process receiver, string trace)
    {
        var spans = new Dictionary<string, SentSpan>();
        while (!IsWhole(spans))
        {
            var span = JsonSerializer.Deserialize<SentSpan>(
                await ReadAsync(receiver, "span "), JsonSerializerOptions.Web)!;
            if (span.Trace == trace)
            {
                spans.Add(span.Span, span);
            }
        }
    }

    /// <summary>Whether the ledger's query, followed from parent to parent, leads through all services.</summary>
    private static bool IsWhole(Dictionary<string, SentSpan> spans)
    {
        string[] expected = ["ledger", "ledger", "chat", "chat", "gateway", "gateway"];
        return spans.Values.Any(span => span.Scope == "Npgsql"
            && Path(span).Select(step => step.Service.Split('-')[0]).SequenceEqual(expected)); // Any replica: chat-2.

        IEnumerable<SentSpan> Path(SentSpan? span)
        {
            for (; span is not null; span = spans.GetValueOrDefault(span.Parent))
            {
                yield return span;
            }
        }
    }

    /// <summary>The rest of the next line that begins so.</summary>
    private static async Task<string> ReadAsync(Process process, string start)
    {
        while (true)
        {
            var line = await process.StandardOutput.ReadLineAsync(CancellationToken).AsTask()
                .WaitAsync(Limit, CancellationToken)
                ?? throw new InvalidOperationException("The receiver has ended.");
            if (line.StartsWith(start, StringComparison.Ordinal))
            {
                return line[start.Length..];
            }
        }
    }

    private sealed record SentSpan(string Service, string Scope, string Name, string Trace, string Span, string Parent);
}
