using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Gateway.Tests.Hostile;

/// <summary>A connection that sends bytes as they are, however wrong, and reads what comes back.</summary>
internal sealed class RawConnection : IDisposable
{
    private const int BufferBytes = 64 * 1024;

    private readonly Socket _socket;
    private readonly NetworkStream _stream;
    private readonly List<byte> _read = [];

    private RawConnection(Socket socket) => (_socket, _stream) = (socket, new(socket, ownsSocket: true));

    /// <summary>Connects to a gateway.</summary>
    public static async Task<RawConnection> OpenAsync(Uri gateway)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(gateway.Host, gateway.Port).Soon();
        return new(socket);
    }

    /// <summary>Sends characters as bytes, one each. A gateway that has hung up is no failure.</summary>
    public async Task SendAsync(string text)
    {
        try
        {
            await _stream.WriteAsync(Encoding.Latin1.GetBytes(text)).AsTask().Soon();
        }
        catch (IOException)
        {
            // What it answered before it hung up is still to be read.
        }
    }

    /// <summary>Reads one answer.</summary>
    /// <returns>The answer; null when the connection ends before there is one.</returns>
    public async Task<RawAnswer?> ReadAsync()
    {
        var end = await FindAsync("\r\n\r\n");
        if (end < 0 || !Text(0, end).StartsWith("HTTP/1.1 ", StringComparison.Ordinal))
        {
            return null;
        }

        var lines = Text(0, end).Split("\r\n");
        var headers = lines.Skip(1).Select(line => line.Split(':', 2)).ToLookup(
            header => header[0], header => header[1].Trim(), StringComparer.OrdinalIgnoreCase);
        Take(end + 4);
        var status = int.Parse(lines[0].Split(' ')[1], CultureInfo.InvariantCulture);
        var body = status is 100 or 204 or 304 ? "" : await ReadBodyAsync(headers);
        return new(status, headers, body);
    }

    /// <summary>Sends no more, and waits until the gateway has hung up too.</summary>
    public async Task EndAsync()
    {
        _socket.Shutdown(SocketShutdown.Send);
        while (await MoreAsync())
        {
        }
    }

    /// <summary>Breaks the connection.</summary>
    public void Reset() => _socket.Close(0);

    public void Dispose() => _stream.Dispose();

    private async Task<string> ReadBodyAsync(ILookup<string, string> headers)
    {
        if (headers["Content-Length"].SingleOrDefault() is { } length)
        {
            return await TakeAsync(int.Parse(length, CultureInfo.InvariantCulture));
        }

        if (!headers["Transfer-Encoding"].Any())
        {
            return headers["Connection"].Contains("close") ? await TakeAsync(int.MaxValue) : ""; // HTTP/1.0
        }

        var body = new StringBuilder();
        while (true)
        {
            var line = await TakeAsync(await FindAsync("\r\n") + 2);
            var size = int.Parse(line.TrimEnd(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            body.Append((await TakeAsync(size + 2)).AsSpan(0, size));
            if (size == 0)
            {
                return body.ToString();
            }
        }
    }

    private async Task<int> FindAsync(string mark)
    {
        var from = 0;
        while (true)
        {
            if (Text(from, _read.Count).IndexOf(mark, StringComparison.Ordinal) is var at and >= 0)
            {
                return from + at;
            }

            from = Math.Max(0, _read.Count - mark.Length);
            if (!await MoreAsync())
            {
                return -1;
            }
        }
    }

    private async Task<string> TakeAsync(int count)
    {
        while (_read.Count < count && await MoreAsync())
        {
        }

        var text = Text(0, Math.Min(count, _read.Count));
        Take(text.Length);
        return text;
    }

    private async Task<bool> MoreAsync()
    {
        var buffer = new byte[BufferBytes];
        try
        {
            var count = await _stream.ReadAsync(buffer).AsTask().Soon();
            _read.AddRange(buffer.AsSpan(0, count));
            return count > 0;
        }
        catch (IOException)
        {
            return false; // Reset: it had not read all that was sent.
        }
    }

    private string Text(int from, int to) => Encoding.Latin1.GetString([.. _read[from..to]]);

    private void Take(int count) => _read.RemoveRange(0, count);
}

/// <summary>An answer as it was on the wire.</summary>
internal sealed record RawAnswer(int Status, ILookup<string, string> Headers, string Body);
