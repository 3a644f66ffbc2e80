using System.Net;
using Google.Protobuf;

namespace Dashboard.Tests;

/// <summary>Few bytes that would become very many objects are refused before they do.</summary>
public sealed class MessagePartsTests(DashboardFixture fixture) : IClassFixture<DashboardFixture>
{
    private const string Ok = "0";
    private const string Unknown = "2"; // No sender repeats that (OTLP, retryable codes).

    private readonly DashboardProcess _dashboard = fixture.Dashboard;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(OtlpService.Traces, new[] { 1, 2, 2 })] // Spans.
    [InlineData(OtlpService.Logs, new[] { 1, 2, 2 })] // Lines.
    [InlineData(OtlpService.Logs, new[] { 1, 1, 1 })] // Attributes of the process.
    [InlineData(OtlpService.Metrics, new[] { 1, 2, 2, 9, 1 })] // Points of a histogram.
    [InlineData(OtlpService.Metrics, new[] { 1, 2, 2, 5, 1 })] // Points of a gauge.
    [InlineData(OtlpService.Metrics, new[] { 1 })] // Processes.
    public async Task Message_OfTwoMillionEmptyParts_IsRefusedUnread(string service, int[] path)
    {
        var parts = Enumerable.Repeat(new byte[] { LengthDelimited(path[^1]), 0 }, 2_000_000)
            .SelectMany(part => part);
        var message = path[..^1].Reverse().Aggregate(parts.ToArray(), Inside);
        using var content = new ByteArrayContent(message);
        using var response = await _dashboard.PostAsync($"/v1/{OtlpService.Path(service)}", content);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.Contains("more than 100000 parts", await response.Content.ReadAsStringAsync(CancellationToken));
        Assert.Equal(Unknown, await _dashboard.CallAsync(service, message));
        await _dashboard.AssertWellAsync();
    }

    [Theory]
    [InlineData(100_000, "OK")]
    [InlineData(100_001, "RequestEntityTooLarge")]
    public async Task Message_OfSoManyParts_IsTakenOrNot(int parts, string status)
    {
        // The spans, and the two that they are in.
        var spans = Enumerable.Repeat(new byte[] { LengthDelimited(2), 0 }, parts - 2).SelectMany(part => part);
        using var content = new ByteArrayContent(Inside(Inside(spans.ToArray(), 2), 1));
        using var response = await _dashboard.PostAsync("/v1/traces", content);
        Assert.Equal(status, $"{response.StatusCode}");
    }

    [Fact]
    public async Task Message_OfFieldsThatNobodyKnows_IsTaken()
    {
        // Each of another number, so that whoever kept them had as many lists.
        using var message = new MemoryStream();
        using (var output = new CodedOutputStream(message, leaveOpen: true))
        {
            for (var field = 100; field < 750_000; field++)
            {
                output.WriteTag(field, WireFormat.WireType.Varint);
                output.WriteInt32(1);
            }
        }

        using var content = new ByteArrayContent(message.ToArray());
        using var response = await _dashboard.PostAsync("/v1/traces", content);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(Ok, await _dashboard.CallAsync(OtlpService.Traces, message.ToArray()));
        await _dashboard.AssertWellAsync();
    }

    [Fact]
    public async Task Message_NestedAHundredThousandTimes_IsAnError()
    {
        // An attribute whose value is a list of a list of a list …, written from the innermost on.
        var bytes = new byte[1_000_000];
        var start = bytes.Length;
        for (var n = 0; n < 100_001; n++)
        {
            var length = bytes.Length - start;
            start -= 1 + CodedOutputStream.ComputeLengthSize(length);
            using var output = new CodedOutputStream(new MemoryStream(bytes, start, bytes.Length - start), 16);
            output.WriteTag(n % 2 == 0 ? 5 : 1, WireFormat.WireType.LengthDelimited);
            output.WriteLength(length);
        }

        var message = Inside(Inside(Inside(Inside(bytes[start..], 2), 1), 1), 1);
        using var content = new ByteArrayContent(message);
        using var response = await _dashboard.PostAsync("/v1/traces", content);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        await _dashboard.AssertWellAsync();
    }

    private static byte LengthDelimited(int field) =>
        (byte)WireFormat.MakeTag(field, WireFormat.WireType.LengthDelimited);

    /// <summary>A message with another in a field of it.</summary>
    private static byte[] Inside(byte[] message, int field)
    {
        using var outer = new MemoryStream();
        using (var output = new CodedOutputStream(outer, leaveOpen: true))
        {
            output.WriteTag(field, WireFormat.WireType.LengthDelimited);
            output.WriteBytes(ByteString.CopyFrom(message));
        }

        return outer.ToArray();
    }
}
