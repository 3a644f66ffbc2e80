using Aspire.Dashboard.Otlp.Wire;

namespace Aspire.Dashboard.Telemetry;

/// <summary>A step of a trace.</summary>
public sealed class Span
{
    private readonly ReadOnlyMemory<byte> _bytes;

    internal Span(TelemetrySource source, string scope, SpanHeader header, ReadOnlyMemory<byte> bytes)
    {
        (Source, Scope, _bytes) = (source, scope, bytes);
        TraceId = Convert.ToHexStringLower(header.TraceId.Span);
        Id = Convert.ToHexStringLower(header.SpanId.Span);
        ParentId = header.ParentSpanId.IsEmpty ? null : Convert.ToHexStringLower(header.ParentSpanId.Span);
        Name = Texts.Name(header.Name);
        Kind = (SpanKind)Math.Clamp(header.Kind, 0, (int)SpanKind.Consumer);
        Start = Times.FromUnixNano(header.StartTimeUnixNano);
        End = Times.FromUnixNano(Math.Max(header.StartTimeUnixNano, header.EndTimeUnixNano));
        IsError = header.Status?.Code == 2;
        StatusMessage = string.IsNullOrEmpty(header.Status?.Message) ? null : Texts.Text(header.Status.Message);
    }

    /// <summary>Who took it.</summary>
    public TelemetrySource Source { get; }

    /// <summary>The library that noted it.</summary>
    public string Scope { get; }

    /// <summary>The trace, 32 hex digits.</summary>
    public string TraceId { get; }

    /// <summary>16 hex digits.</summary>
    public string Id { get; }

    /// <summary>The step that it is part of; null for the first of a trace.</summary>
    public string? ParentId { get; }

    /// <summary>What it did.</summary>
    public string Name { get; }

    /// <summary>Which side of a call it is.</summary>
    public SpanKind Kind { get; }

    /// <summary>When it began, in UTC.</summary>
    public DateTime Start { get; }

    /// <summary>When it ended, in UTC.</summary>
    public DateTime End { get; }

    /// <summary>How long it took.</summary>
    public TimeSpan Duration => End - Start;

    /// <summary>Whether it says that it failed.</summary>
    public bool IsError { get; }

    /// <summary>What it says of that.</summary>
    public string? StatusMessage { get; }

    /// <summary>How much of memory it takes, in bytes, without what all of them do.</summary>
    internal int Bytes =>
        _bytes.Length + (sizeof(char) * (Name.Length + (StatusMessage?.Length ?? 0)));

    /// <summary>Reads what only those who look at it need.</summary>
    public SpanDetails ReadDetails()
    {
        var body = SpanBody.Parser.WithDiscardUnknownFields(true).ParseFrom(_bytes.Span);
        return new SpanDetails(
            Texts.Attributes(body.Attributes),
            [
                .. body.Events.Take(Limits.Attributes).Select(e => new SpanNote(
                    Times.FromUnixNano(e.TimeUnixNano), Texts.Name(e.Name), Texts.Attributes(e.Attributes))),
            ],
            [
                .. body.Links.Take(Limits.Attributes).Select(link => (
                    Convert.ToHexStringLower(link.TraceId.Span), Convert.ToHexStringLower(link.SpanId.Span))),
            ]);
    }
}

/// <summary>Which side of a call a span is. The numbers are OTLP's.</summary>
public enum SpanKind
{
    /// <summary>It does not say.</summary>
    Unspecified,

    /// <summary>No call.</summary>
    Internal,

    /// <summary>The one that is called.</summary>
    Server,

    /// <summary>The one that calls.</summary>
    Client,

    /// <summary>The one that sends a message.</summary>
    Producer,

    /// <summary>The one that takes a message.</summary>
    Consumer,
}

/// <summary>What a span says besides its times.</summary>
/// <param name="Attributes">Its attributes.</param>
/// <param name="Events">What happened in it.</param>
/// <param name="Links">The spans that it belongs to without being part of them: trace and span.</param>
public sealed record SpanDetails(
    IReadOnlyList<Attribute> Attributes,
    IReadOnlyList<SpanNote> Events,
    IReadOnlyList<(string TraceId, string SpanId)> Links);

/// <summary>Something that happened in a span.</summary>
/// <param name="Time">When, in UTC.</param>
/// <param name="Name">What.</param>
/// <param name="Attributes">More about it.</param>
public sealed record SpanNote(DateTime Time, string Name, IReadOnlyList<Attribute> Attributes);
