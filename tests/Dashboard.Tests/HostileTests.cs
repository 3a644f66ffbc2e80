using System.IO.Compression;
using System.Net;
using Aspire.Dashboard.Otlp.Wire;
using Aspire.Dashboard.Telemetry;
using Google.Protobuf;

namespace Dashboard.Tests;

/// <summary>What no honest process sends costs the dashboard an error, and nothing else.</summary>
public sealed class HostileTests(DashboardFixture fixture) : IClassFixture<DashboardFixture>
{
    private const string Ok = "0";
    private const string Unknown = "2"; // No sender repeats that (OTLP, retryable codes).
    private const string ResourceExhausted = "8";

    private readonly DashboardProcess _dashboard = fixture.Dashboard;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(OtlpService.Traces)]
    [InlineData(OtlpService.Logs)]
    [InlineData(OtlpService.Metrics)]
    public async Task Bytes_ThatAreNoMessage_AreAnErrorInBothProtocols(string service)
    {
        byte[] noise = [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3];
        Assert.Equal(Unknown, await _dashboard.CallAsync(service, noise));
        using var content = new ByteArrayContent(noise);
        using var response = await _dashboard.PostAsync($"/v1/{OtlpService.Path(service)}", content);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        await _dashboard.AssertWellAsync();
    }

    [Fact]
    public async Task Message_Of100Megabytes_IsRefusedInBothProtocols()
    {
        var huge = new byte[100 * 1024 * 1024];
        Assert.Equal(ResourceExhausted, await _dashboard.CallAsync(OtlpService.Traces, huge));
        using var content = new ByteArrayContent(huge);
        content.Headers.ContentLength = huge.Length;
        try
        {
            using var response = await _dashboard.PostAsync("/v1/traces", content);
            Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        }
        catch (HttpRequestException)
        {
            // It hung up on a client that goes on sending.
        }

        await _dashboard.AssertWellAsync();
    }

    [Fact]
    public async Task Message_ThatGrowsWhenUnpacked_IsRefusedInBothProtocols()
    {
        var packed = await PackAsync(new byte[64 * 1024 * 1024]);
        using var content = new ByteArrayContent(packed);
        content.Headers.ContentEncoding.Add("gzip");
        using var response = await _dashboard.PostAsync("/v1/traces", content);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.NotEqual(Ok, await _dashboard.CallAsync(OtlpService.Traces, packed, isPacked: true));
        await _dashboard.AssertWellAsync();
    }

    [Fact]
    public async Task Message_Packed_IsTakenInBothProtocols()
    {
        var id = Guid.NewGuid().ToByteArray();
        var packed = await PackAsync(Request("packed", Header(id).ToByteString()).ToByteArray());
        Assert.Equal(Ok, await _dashboard.CallAsync(OtlpService.Traces, packed, isPacked: true));
        using var content = new ByteArrayContent(packed);
        content.Headers.ContentEncoding.Add("gzip");
        using var response = await _dashboard.PostAsync("/v1/traces", content);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        await _dashboard.AskAsync(
            $"/api/telemetry/traces/{Convert.ToHexStringLower(id)}", trace => (int)trace["spanCount"]! == 2);
    }

    [Fact]
    public async Task Span_WithAMillionAttributes_IsRefusedAndItsNeighbourTaken()
    {
        var body = new SpanBody();
        for (var n = 0; n < 1_000_000 / 4; n++)
        {
            // Four to a message of 4 MB: the rest goes in others.
            body.Attributes.Add(new KeyValue { Key = "k", Value = new() { IntValue = 1 } });
        }

        var good = Guid.NewGuid().ToByteArray();
        for (var n = 0; n < 4; n++)
        {
            var request = Request(
                "hostile", Header(Guid.NewGuid().ToByteArray()).ToByteString().Concat(body.ToByteString()),
                Header(good).ToByteString());
            Assert.Equal(Ok, await _dashboard.CallAsync(OtlpService.Traces, request.ToByteArray()));
        }

        await _dashboard.AskAsync(
            $"/api/telemetry/traces/{Convert.ToHexStringLower(good)}", trace => (int)trace["spanCount"]! == 4);
        await _dashboard.AssertWellAsync();
    }

    [Fact]
    public async Task Attributes_NestedWithoutEnd_AreAnErrorOrShownInPart()
    {
        var value = new AnyValue { StringValue = "inside" };
        for (var depth = 0; depth < 40; depth++)
        {
            value = new AnyValue { ArrayValue = new() { Values = { value } } };
        }

        var id = Guid.NewGuid().ToByteArray();
        var body = new SpanBody { Attributes = { new KeyValue { Key = "deep", Value = value } } };
        var request = Request("hostile", Header(id).ToByteString().Concat(body.ToByteString()));
        Assert.Equal(Ok, await _dashboard.CallAsync(OtlpService.Traces, request.ToByteArray()));
        var trace = await _dashboard.AskAsync($"/api/telemetry/traces/{Convert.ToHexStringLower(id)}", _ => true);
        Assert.Equal("[[[[…]]]]", (string?)trace["spans"]![0]!["attributes"]!["deep"]);
    }

    [Fact]
    public async Task Spans_WithoutEnd_StayInBoundedMemory()
    {
        // 250 MB of them: eight times what is kept.
        var value = new AnyValue { StringValue = new('x', 4_000) };
        var body = new SpanBody { Attributes = { new KeyValue { Key = "k", Value = value } } }.ToByteString();
        for (var n = 0; n < 100; n++)
        {
            var spans = Enumerable.Range(0, 600)
                .Select(_ => Header(Guid.NewGuid().ToByteArray()).ToByteString().Concat(body)).ToArray();
            Assert.Equal(Ok, await _dashboard.CallAsync(OtlpService.Traces, Request("flood", spans).ToByteArray()));
        }

        await _dashboard.AssertWellAsync();
    }

    [Theory]
    [InlineData(15, 12, Limits.Series)] // As OpenTelemetry's own.
    [InlineData(Limits.Buckets, 3, Limits.PointNumbers / 2 / 409)]
    public async Task Everything_Full_StaysInBoundedMemory(int buckets, int rounds, int leastSeries)
    {
        using var own = await DashboardProcess.StartAsync();
        for (var round = 0; round < rounds; round++)
        {
            for (var sender = 0; sender < 60; sender++)
            {
                var points = Enumerable.Range(0, Limits.SeriesOfInstrument).Select(Histogram).ToArray();
                var metrics = Metrics($"sender-{sender}", round, points);
                Assert.Equal(Ok, await own.CallAsync(OtlpService.Metrics, metrics.ToByteArray()));
            }
        }

        var text = new AnyValue { StringValue = new('x', 4_000) };
        var body = new SpanBody { Attributes = { new KeyValue { Key = "k", Value = text } } }.ToByteString();
        for (var n = 0; n < 20; n++)
        {
            var spans = Enumerable.Range(0, 600)
                .Select(_ => Header(Guid.NewGuid().ToByteArray()).ToByteString().Concat(body)).ToArray();
            Assert.Equal(Ok, await own.CallAsync(OtlpService.Traces, Request("flood", spans).ToByteArray()));
            Assert.Equal(Ok, await own.CallAsync(OtlpService.Logs, Logs(text).ToByteArray()));
        }

        var series = await own.AskAsync("/api/telemetry/metrics?name=instrument", _ => true);
        Assert.InRange(series.AsArray().Count, leastSeries, Limits.Series);
        Assert.InRange(own.Memory, 0, 300L * 1024 * 1024);

        HistogramPoint Histogram(int n) => new()
        {
            Attributes = { Tag($"{n:D3}{new string('x', 248)}") },
            BucketCounts = { Enumerable.Repeat((ulong)n, buckets) },
            ExplicitBounds = { Enumerable.Range(1, buckets - 1).Select(bound => (double)bound) },
        };
    }

    [Fact]
    public async Task Senders_WithoutEnd_AreRefusedAtSomePoint()
    {
        using var own = await DashboardProcess.StartAsync();
        for (var n = 0; n < 300; n++)
        {
            var request = Request($"sender-{n}", Header(Guid.NewGuid().ToByteArray()).ToByteString());
            Assert.Equal(Ok, await own.CallAsync(OtlpService.Traces, request.ToByteArray()));
        }

        var resources = await own.AskAsync("/api/telemetry/resources", _ => true);
        Assert.Equal(200, resources.AsArray().Count);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("another")]
    public async Task Telemetry_WithoutTheKey_IsRefused(string? key)
    {
        var id = Guid.NewGuid().ToByteArray();
        var request = Request("stranger", Header(id).ToByteString()).ToByteArray();
        Assert.Equal("HTTP 401", await _dashboard.CallAsync(OtlpService.Traces, request, key));
        using var content = new ByteArrayContent(request);
        using var response = await _dashboard.PostAsync("/v1/traces", content, key);
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        using var client = _dashboard.CreateClient();
        using var answer = await client.GetAsync(
            $"/api/telemetry/traces/{Convert.ToHexStringLower(id)}", CancellationToken);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    [Fact]
    public async Task Json_InPlaceOfProtobuf_Is415()
    {
        using var content = new StringContent("{}");
        using var response = await _dashboard.PostAsync("/v1/traces", content, type: "application/json");
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, response.StatusCode);
    }

    private static SpanHeader Header(byte[] traceId) => new()
    {
        TraceId = ByteString.CopyFrom(traceId),
        SpanId = ByteString.CopyFrom(Guid.NewGuid().ToByteArray().AsSpan(0, 8)),
        Name = "span",
        StartTimeUnixNano = 1_000_000_000,
        EndTimeUnixNano = 2_000_000_000,
    };

    private static ExportTraceServiceRequest Request(string service, params ByteString[] spans) => new()
    {
        ResourceSpans =
        {
            new ResourceSpans
            {
                Resource = Sender(service),
                ScopeSpans = { new ScopeSpans { Spans = { spans } } },
            },
        },
    };

    private static ExportMetricsServiceRequest Metrics(string service, int second, HistogramPoint[] points)
    {
        foreach (var point in points)
        {
            point.TimeUnixNano = (ulong)(1 + second) * 1_000_000_000;
        }

        return new()
        {
            ResourceMetrics =
            {
                new ResourceMetrics
                {
                    Resource = Sender(service),
                    ScopeMetrics =
                    {
                        new ScopeMetrics
                        {
                            Metrics =
                            {
                                new Metric { Name = "instrument", Histogram = new() { DataPoints = { points } } },
                            },
                        },
                    },
                },
            },
        };
    }

    private static KeyValue Tag(string value) => new() { Key = "tag", Value = new() { StringValue = value } };

    /// <summary>Lines as long as the text, as many as one message takes.</summary>
    private static ExportLogsServiceRequest Logs(AnyValue text) => new()
    {
        ResourceLogs =
        {
            new ResourceLogs
            {
                Resource = Sender("flood"),
                ScopeLogs =
                {
                    new ScopeLogs
                    {
                        LogRecords = { Enumerable.Repeat(new LogHeader { Body = text }.ToByteString(), 600) },
                    },
                },
            },
        },
    };

    private static ResourceAttributes Sender(string service) => new()
    {
        Attributes = { new KeyValue { Key = "service.name", Value = new() { StringValue = service } } },
    };

    private static async Task<byte[]> PackAsync(byte[] bytes)
    {
        using var packed = new MemoryStream();
        await using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            await gzip.WriteAsync(bytes, CancellationToken);
        }

        return packed.ToArray();
    }
}

internal static class Bytes
{
    /// <summary>Two parts of one message make the message: that is how protobuf is read.</summary>
    public static ByteString Concat(this ByteString one, ByteString other) =>
        ByteString.CopyFrom([.. one.Span, .. other.Span]);
}
