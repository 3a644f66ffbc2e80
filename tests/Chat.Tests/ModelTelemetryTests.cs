using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.AI;

namespace Chat.Tests;

/// <summary>
/// Models are watched by OpenTelemetry's conventions for generative AI, under the name that ServiceDefaults exports,
/// and nothing of what is said is in it.
/// </summary>
public sealed class ModelTelemetryTests
{
    private const string Secret = "something private";

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Answer_OfAModel_IsASpanAndMetricsWithoutItsWords(bool isStreamed)
    {
        await using var upstream = await FakeUpstream.StartAsync();
        var name = $"model-{Guid.NewGuid():N}";
        using var host = ModelHost.Create(ModelHost.At(name, upstream));
        var spans = new ConcurrentQueue<Activity>();
        var metrics = new ConcurrentQueue<string>();
        using var activities = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "Chat.Tests",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(activities);
        using var meters = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == "Chat.Tests")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        meters.SetMeasurementEventCallback<double>((instrument, _, tags, _) => Note(instrument, tags));
        meters.SetMeasurementEventCallback<int>((instrument, _, tags, _) => Note(instrument, tags));
        meters.SetMeasurementEventCallback<long>((instrument, _, tags, _) => Note(instrument, tags));
        meters.Start();

        var client = host.Models.Find(name)!.Client;
        _ = isStreamed
            ? await client.GetStreamingResponseAsync(Secret, cancellationToken: CancellationToken)
                .ToChatResponseAsync(CancellationToken).Soon()
            : await client.GetResponseAsync(Secret, cancellationToken: CancellationToken).Soon();

        var span = Assert.Single(spans, span => (string?)span.GetTagItem("gen_ai.request.model") == name);
        Assert.Equal("chat", span.GetTagItem("gen_ai.operation.name"));
        Assert.Equal(11, Convert.ToInt32(span.GetTagItem("gen_ai.usage.input_tokens"), null));
        Assert.Equal(7, Convert.ToInt32(span.GetTagItem("gen_ai.usage.output_tokens"), null));
        Assert.Contains("gen_ai.client.operation.duration", metrics);
        Assert.Contains("gen_ai.client.token.usage", metrics);
        var all = string.Join('\n', span.TagObjects.Select(tag => $"{tag.Key}={tag.Value}"));
        Assert.DoesNotContain(Secret, all, StringComparison.Ordinal);
        Assert.DoesNotContain(FakeUpstream.Text, all, StringComparison.Ordinal);
        Assert.DoesNotContain("sk-secret", all, StringComparison.Ordinal);

        void Note(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            if (tags.ToArray().Any(tag => Equals(tag.Value, name)))
            {
                metrics.Enqueue(instrument.Name);
            }
        }
    }
}
