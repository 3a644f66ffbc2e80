using System.Globalization;
using Aspire.Dashboard.Otlp.Wire;
using Google.Protobuf.Collections;

namespace Aspire.Dashboard.Telemetry;

/// <summary>Makes texts, of bounded length, of what was sent.</summary>
internal static class Texts
{
    /// <summary>How deep lists in lists are shown.</summary>
    private const int MaxDepth = 4;

    public static string Name(string text) => Cut(text, Limits.NameLength);

    public static string Text(string text) => Cut(text, Limits.TextLength);

    public static IReadOnlyList<Attribute> Attributes(RepeatedField<KeyValue> attributes) =>
    [
        .. attributes.Take(Limits.Attributes).Select(a => new Attribute(Name(a.Key), Text(Of(a.Value)))),
    ];

    public static string Of(AnyValue? value, int depth = 0) => value?.ValueCase switch
    {
        AnyValue.ValueOneofCase.StringValue => value.StringValue,
        AnyValue.ValueOneofCase.BoolValue => value.BoolValue ? "true" : "false",
        AnyValue.ValueOneofCase.IntValue => value.IntValue.ToString(CultureInfo.InvariantCulture),
        AnyValue.ValueOneofCase.DoubleValue => value.DoubleValue.ToString(CultureInfo.InvariantCulture),
        AnyValue.ValueOneofCase.BytesValue => Convert.ToHexStringLower(
            value.BytesValue.Span[..Math.Min(value.BytesValue.Length, Limits.NameLength)]),
        AnyValue.ValueOneofCase.ArrayValue when depth < MaxDepth =>
            $"[{string.Join(", ", value.ArrayValue.Values.Take(Limits.Attributes).Select(v => Of(v, depth + 1)))}]",
        AnyValue.ValueOneofCase.KvlistValue when depth < MaxDepth => "{" + string.Join(
            ", ",
            value.KvlistValue.Values.Take(Limits.Attributes).Select(v => $"{v.Key}: {Of(v.Value, depth + 1)}")) + "}",
        AnyValue.ValueOneofCase.None or null => "",
        _ => "…",
    };

    private static string Cut(string text, int length) => text.Length <= length ? text : text[..length] + "…";
}

/// <summary>Makes times of what was sent.</summary>
internal static class Times
{
    private const ulong NanosPerTick = 100;
    private static readonly ulong MaxTicks = (ulong)(DateTime.MaxValue - DateTime.UnixEpoch).Ticks;

    /// <summary>A time in UTC; one that no clock shows is the last there is.</summary>
    public static DateTime FromUnixNano(ulong nanos) =>
        DateTime.UnixEpoch.AddTicks((long)Math.Min(nanos / NanosPerTick, MaxTicks));
}
