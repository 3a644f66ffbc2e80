using System.Buffers;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;

namespace Chat.Service.Streaming;

/// <summary>
/// An answer as server-sent events (WHATWG HTML, 9.2). It begins with the first event, so that until then an error can
/// still be an answer of its own. While nothing is to be said, comments keep the connection open. Each event waits
/// until the client has room for it: a slow reader slows the model, and one that has stopped reading is cut off.
/// </summary>
internal sealed class EventStream : IAsyncDisposable
{
    private readonly HttpContext _http;
    private readonly ChatSettings _settings;
    private readonly TimeProvider _clock;
    private readonly SemaphoreSlim _turn = new(1);
    private readonly CancellationTokenSource _ended = new();
    private Task _heartbeat = Task.CompletedTask;
    private long _saidAt;

    /// <summary>Makes a stream that has not begun.</summary>
    /// <param name="http">The request.</param>
    /// <param name="options">How long silence may last.</param>
    /// <param name="clock">The time.</param>
    public EventStream(HttpContext http, IOptions<ChatSettings> options, TimeProvider clock) =>
        (_http, _settings, _clock) = (http, options.Value, clock);

    /// <summary>Gets the trace that this answer belongs to.</summary>
    public string TraceId => Activity.Current?.Id ?? _http.TraceIdentifier;

    /// <summary>Whether a client asks for events.</summary>
    /// <param name="request">The request.</param>
    public static bool IsAskedFor(HttpRequest request) => request.GetTypedHeaders().Accept.Any(
        type => type.Quality is not 0
            && type.MediaType.Equals("text/event-stream", StringComparison.OrdinalIgnoreCase));

    /// <summary>Says from now on that the connection is alive, whenever nothing else was said for a while.</summary>
    public void KeepAlive()
    {
        _saidAt = _clock.GetTimestamp();
        _heartbeat = KeepAliveAsync();
    }

    /// <summary>Sends an event.</summary>
    /// <typeparam name="T">What it tells.</typeparam>
    /// <param name="name">Its name; null for none.</param>
    /// <param name="data">What it tells, sent as JSON, which has no line breaks.</param>
    /// <param name="type">How it is written.</param>
    /// <param name="cancellationToken">Ends the wait for the client.</param>
    public Task SendAsync<T>(string? name, T data, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        WriteAsync(name, JsonSerializer.SerializeToUtf8Bytes(data, type), cancellationToken);

    /// <summary>Sends an event of one word.</summary>
    /// <param name="word">The word.</param>
    /// <param name="cancellationToken">Ends the wait for the client.</param>
    public Task SendAsync(string word, CancellationToken cancellationToken) =>
        WriteAsync(name: null, Encoding.UTF8.GetBytes(word), cancellationToken);

    /// <summary>Ends the signs of life, the next of which might begin the stream.</summary>
    /// <returns>Whether it has begun: the status is 200 then, and stays it.</returns>
    public async Task<bool> HasBegunAsync()
    {
        await _ended.CancelAsync();
        await _heartbeat;
        return _http.Response.HasStarted;
    }

    /// <summary>Ends the signs of life. The stream itself ends with the request.</summary>
    public async ValueTask DisposeAsync()
    {
        await HasBegunAsync();
        _ended.Dispose();
        _turn.Dispose();
    }

    private async Task WriteAsync(string? name, byte[] data, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            Begin();
            var body = _http.Response.BodyWriter;
            if (name is not null)
            {
                body.Write("event: "u8);
                body.Write(Encoding.UTF8.GetBytes(name));
                body.Write("\n"u8);
            }

            body.Write("data: "u8);
            body.Write(data);
            body.Write("\n\n"u8);
            await FlushAsync(cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
    }

    private void Begin()
    {
        if (_http.Response.HasStarted)
        {
            return;
        }

        _http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        _http.Response.ContentType = "text/event-stream";
        _http.Response.Headers.CacheControl = "no-cache, no-store";
        _http.Response.Headers["X-Accel-Buffering"] = "no"; // For proxies that would wait for the whole.
    }

    private async Task FlushAsync(CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _http.RequestAborted);
        patience.CancelAfter(_settings.StalledAfter);
        try
        {
            var flushed = await _http.Response.BodyWriter.FlushAsync(patience.Token);
            _saidAt = _clock.GetTimestamp();
            if (flushed.IsCompleted)
            {
                throw new ClientGoneException("The client of a stream has gone.");
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            _http.Abort(); // It does not read: as good as gone.
            throw new ClientGoneException($"The client of a stream has read nothing for {_settings.StalledAfter}.");
        }
    }

    private async Task KeepAliveAsync()
    {
        using var timer = new PeriodicTimer(_settings.HeartbeatEvery, _clock);
        try
        {
            while (await timer.WaitForNextTickAsync(_ended.Token))
            {
                await _turn.WaitAsync(_ended.Token);
                try
                {
                    if (_clock.GetElapsedTime(_saidAt) < _settings.HeartbeatEvery * 0.9)
                    {
                        continue;
                    }

                    Begin();
                    _http.Response.BodyWriter.Write(": keep-alive\n\n"u8);
                    await FlushAsync(CancellationToken.None); // Never left half-way: an answer may follow.
                }
                finally
                {
                    _turn.Release();
                }
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or ClientGoneException or IOException)
        {
            // The stream has ended, or its client has gone: the request's own token says so to all.
        }
    }
}

/// <summary>The client of a stream has gone, or does not read, which comes to the same.</summary>
/// <param name="message">Which of the two.</param>
internal sealed class ClientGoneException(string message) : Exception(message);
