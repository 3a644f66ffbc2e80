using Aspire.Dashboard.Telemetry;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Aspire.Dashboard.Otlp;

/// <summary>
/// Reads requests. Two bytes of protobuf can become an object of two hundred: how many there will be is counted before
/// the first is made.
/// </summary>
/// <typeparam name="TRequest">What is read.</typeparam>
internal static class OtlpReader<TRequest>
    where TRequest : IMessage<TRequest>, new()
{
    /// <summary>How deep messages may lie in messages: as deep as the parser goes.</summary>
    private const int MaxDepth = 100;

    private static readonly MessageParser<TRequest> Parser =
        new MessageParser<TRequest>(() => new()).WithDiscardUnknownFields(true);

    private static readonly MessageDescriptor Descriptor = new TRequest().Descriptor;

    /// <summary>Reads a request.</summary>
    /// <exception cref="InvalidProtocolBufferException">It is none.</exception>
    /// <exception cref="InvalidDataException">It has more than <see cref="Limits.RequestParts"/>.</exception>
    public static TRequest Read(byte[] bytes)
    {
        var room = Limits.RequestParts;
        Count(bytes, Descriptor, MaxDepth, ref room);
        return room >= 0
            ? Parser.ParseFrom(bytes)
            : throw new InvalidDataException($"It has more than {Limits.RequestParts} parts.");
    }

    /// <summary>
    /// Counts the parts of a message, those within its parts too, as long as there is room. Ends where it is
    /// malformed: so does the parser.
    /// </summary>
    private static void Count(ReadOnlySpan<byte> message, MessageDescriptor type, int depth, ref int room)
    {
        while (room >= 0 && TryReadNumber(ref message, out var tag))
        {
            var isWhole = (WireFormat.WireType)(tag & 7) switch
            {
                WireFormat.WireType.Varint => TryReadNumber(ref message, out _),
                WireFormat.WireType.Fixed64 => TryRead(ref message, sizeof(long), out _),
                WireFormat.WireType.Fixed32 => TryRead(ref message, sizeof(int), out _),
                WireFormat.WireType.LengthDelimited => TryCountPart(ref message, tag >> 3, type, depth, ref room),
                WireFormat.WireType.StartGroup or WireFormat.WireType.EndGroup => true, // What is in it, is counted.
                _ => false,
            };
            if (!isWhole)
            {
                return;
            }
        }
    }

    private static bool TryCountPart(
        ref ReadOnlySpan<byte> message, ulong field, MessageDescriptor type, int depth, ref int room)
    {
        if (!TryReadNumber(ref message, out var length) || !TryRead(ref message, length, out var part))
        {
            return false;
        }

        room--;
        if (depth > 0 && field <= int.MaxValue
            && type.FindFieldByNumber((int)field) is { FieldType: FieldType.Message } inner)
        {
            Count(part, inner.MessageType, depth - 1, ref room);
        }

        return true;
    }

    private static bool TryRead(ref ReadOnlySpan<byte> message, ulong length, out ReadOnlySpan<byte> part)
    {
        if (length > (ulong)message.Length)
        {
            part = [];
            return false;
        }

        part = message[..(int)length];
        message = message[(int)length..];
        return true;
    }

    /// <summary>Reads a varint: seven bits a byte, the lowest first, and a bit that says whether it goes on.</summary>
    private static bool TryReadNumber(ref ReadOnlySpan<byte> message, out ulong number)
    {
        number = 0;
        for (var n = 0; n < message.Length && n < 10; n++)
        {
            number |= (ulong)(message[n] & 0x7f) << (7 * n);
            if (message[n] < 0x80)
            {
                message = message[(n + 1)..];
                return true;
            }
        }

        return false;
    }
}
