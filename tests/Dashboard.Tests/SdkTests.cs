using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Dashboard.Tests;

/// <summary>What OpenTelemetry's own library sends, by both protocols, is found again.</summary>
public sealed class SdkTests(DashboardFixture fixture) : IClassFixture<DashboardFixture>
{
    private readonly DashboardProcess _dashboard = fixture.Dashboard;
    private readonly string _service = $"service-{Guid.NewGuid():N}";

    [Theory]
    [InlineData(OtlpExportProtocol.Grpc)]
    [InlineData(OtlpExportProtocol.HttpProtobuf)]
    public async Task Trace_OfTheSdk_IsThereWithItsNestingAttributesAndError(OtlpExportProtocol protocol)
    {
        using var source = new ActivitySource(_service);
        string traceId;
        using (Sdk.CreateTracerProviderBuilder().AddSource(_service).ConfigureResource(Describe)
            .AddOtlpExporter(options => Send(options, protocol, "/v1/traces")).Build())
        {
            using var outer = source.StartActivity("outer", ActivityKind.Server)!;
            traceId = outer.TraceId.ToString();
            using var inner = source.StartActivity("inner", ActivityKind.Client)!;
            inner.SetTag("text", "a text").SetTag("number", 42).SetTag("list", (int[])[1, 2]);
            inner.AddEvent(new ActivityEvent("noted"));
            inner.SetStatus(ActivityStatusCode.Error, "it broke");
        }

        var trace = await _dashboard.AskAsync($"/api/telemetry/traces/{traceId}", t => (int)t["spanCount"]! == 2);
        var spans = trace["spans"]!.AsArray();
        Assert.Equal("outer", (string?)trace["name"]);
        Assert.Equal(["outer", "inner"], spans.Select(span => (string)span!["name"]!));
        Assert.Null(spans[0]!["parentId"]);
        Assert.Equal((string?)spans[0]!["spanId"], (string?)spans[1]!["parentId"]);
        Assert.Equal("Client", (string?)spans[1]!["kind"]);
        Assert.True((bool)spans[1]!["isError"]!);
        Assert.Equal("it broke", (string?)spans[1]!["status"]);
        var attributes = spans[1]!["attributes"]!;
        Assert.Equal(("a text", "42", "[1, 2]"), (
            (string?)attributes["text"], (string?)attributes["number"], (string?)attributes["list"]));
        Assert.Equal(_service, (string?)spans[1]!["resource"]);
        Assert.Equal("instance-1", (string?)spans[1]!["instance"]);
    }

    [Theory]
    [InlineData(OtlpExportProtocol.Grpc)]
    [InlineData(OtlpExportProtocol.HttpProtobuf)]
    public async Task Log_OfTheSdk_IsThereWithLevelAndAttributes(OtlpExportProtocol protocol)
    {
        using (var loggers = LoggerFactory.Create(logging => logging.AddOpenTelemetry(options =>
        {
            options.IncludeFormattedMessage = true;
            options.SetResourceBuilder(Resource());
            options.AddOtlpExporter(exporter => Send(exporter, protocol, "/v1/logs"));
        })))
        {
            var logger = loggers.CreateLogger("A.Category");
#pragma warning disable CA1848, CA1873 // One line.
            logger.LogInformation("left out");
            logger.LogWarning("{Count} left", 3);
#pragma warning restore CA1848, CA1873
        }

        var logs = await _dashboard.AskAsync(
            $"/api/telemetry/logs?resource={_service}&level=warning", answer => (int)answer["total"]! > 0);
        var log = Assert.Single(logs["items"]!.AsArray())!;
        Assert.Equal("3 left", (string?)log["message"]);
        Assert.Equal("Warning", (string?)log["level"]);
        Assert.Equal("A.Category", (string?)log["category"]);
        Assert.Equal("3", (string?)log["attributes"]!["Count"]);
    }

    [Theory]
    [InlineData(OtlpExportProtocol.Grpc)]
    [InlineData(OtlpExportProtocol.HttpProtobuf)]
    public async Task Metrics_OfTheSdk_AreThereWithTheirValues(OtlpExportProtocol protocol)
    {
        using var meter = new Meter(_service);
        var counter = meter.CreateCounter<long>("things");
        var histogram = meter.CreateHistogram<double>("times");
        using (Sdk.CreateMeterProviderBuilder().AddMeter(_service).ConfigureResource(Describe)
            .AddOtlpExporter(options => Send(options, protocol, "/v1/metrics")).Build())
        {
            counter.Add(2, new KeyValuePair<string, object?>("kind", "a"));
            counter.Add(3, new KeyValuePair<string, object?>("kind", "b"));
            histogram.Record(0.5);
            histogram.Record(1.5);
        }

        var things = (await _dashboard.AskAsync($"/api/telemetry/metrics?resource={_service}&name=things", _ => true))
            .AsArray();
        Assert.Equal(
            ["a=2", "b=3"], things.Select(series => $"{series!["attributes"]!["kind"]}={series["value"]}").Order());
        var times = Assert.Single((await _dashboard.AskAsync(
            $"/api/telemetry/metrics?resource={_service}&name=times", _ => true)).AsArray())!;
        Assert.Equal((2L, 2.0), ((long)times["count"]!, (double)times["value"]!));
        var instruments = await _dashboard.AskAsync($"/api/telemetry/instruments?resource={_service}", _ => true);
        Assert.Equal(
            ["things Counter", "times Histogram"], instruments.AsArray().Select(i => $"{i!["name"]} {i["kind"]}"));
    }

    private void Describe(ResourceBuilder resource) => resource.AddService(_service, serviceInstanceId: "instance-1");

    private ResourceBuilder Resource()
    {
        var resource = ResourceBuilder.CreateEmpty();
        Describe(resource);
        return resource;
    }

    private void Send(OtlpExporterOptions options, OtlpExportProtocol protocol, string path)
    {
        options.Protocol = protocol;
        options.Endpoint = protocol == OtlpExportProtocol.Grpc ? _dashboard.Grpc : new(_dashboard.Http, path);
        options.Headers = $"x-otlp-api-key={DashboardProcess.ApiKey}";
    }
}
