using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Chat.Service.Models;
using Microsoft.Extensions.AI;

namespace Chat.Tests;

/// <summary>What models use and cost, in numbers for those who run them.</summary>
public sealed class MeteringMetricsTests(ChatDatabase database)
{
    private const long User = 12;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Metrics_ByModel_CountTokensCreditsAndEstimates()
    {
        await using var ledger = await TestLedger.StartAsync();
        using var replica = new TestReplica(database.Source, ledger.Address);
        var name = $"model-{Guid.NewGuid():N}";
        var counted = new ConcurrentDictionary<string, double>();
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
        meters.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(instrument, value, tags));
        meters.SetMeasurementEventCallback<double>((instrument, _, tags, _) => Note(instrument, 1, tags));
        meters.Start();

        var model = ScriptedModel.Answers("four").Model(new Price { Input = 1000, Output = 3000 }) with
        {
            Name = name, MaxOutputTokens = 1,
        };
        Prompt prompt = new(model, [new(ChatRole.User, "hello")]);
        await replica.Pipeline.RunAsync(
            new(Guid.NewGuid(), User, "hello"), prompt, sink: null, CancellationToken).Soon();
        prompt = prompt with { Model = model with { Client = ScriptedModel.Fails() } };
        await replica.Pipeline.RunAsync(
            new(Guid.NewGuid(), User, "hello"), prompt, sink: null, CancellationToken).Soon();

        Assert.Equal(
            new SortedDictionary<string, double>
            {
                ["chat.credits"] = 12, ["chat.credits.uncharged"] = 0, ["chat.first_piece.duration"] = 1,
                ["chat.model.tokens cached_input"] = 0, ["chat.model.tokens input"] = 9,
                ["chat.model.tokens output"] = 1, ["chat.replies ModelFailed"] = 1, ["chat.replies Stored"] = 1,
                ["chat.usage.estimated"] = 1,
            },
            new SortedDictionary<string, double>(counted));

        void Note(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            if (tags.ToArray().Any(tag => tag.Key is "chat.model" && Equals(tag.Value, name)))
            {
                var kinds = tags.ToArray().Where(tag => tag.Key is "chat.status" or "chat.token.type");
                counted.AddOrUpdate(
                    string.Join(' ', kinds.Select(tag => tag.Value).Prepend(instrument.Name)),
                    value,
                    (_, sum) => sum + value);
            }
        }
    }
}
