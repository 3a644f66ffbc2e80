using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Timeouts;

namespace Gateway.Edge;

/// <summary>
/// A body that must be here in a time. The rate that Kestrel asks for is that of a connection: by HTTP/2 a body that
/// has stalled would live on beside one that has not, and a slow one may take as long as a large one.
/// </summary>
/// <param name="context">The request.</param>
/// <param name="deadline">Is cancelled when the time is over.</param>
internal sealed class TimedBody(HttpContext context, CancellationToken deadline) : Stream
{
    private readonly Stream _body = context.Request.Body;

    /// <summary>Gets whether time ran out while the client was waited for, and not a service.</summary>
    public bool IsTooSlow { get; private set; }

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>The answer to a client whose body does not come.</summary>
    public static BadHttpRequestException TooSlow() =>
        new("The body came too slowly.", StatusCodes.Status408RequestTimeout);

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline);
        try
        {
            return await _body.ReadAsync(buffer, either.Token);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested || IsRequestTimeOver())
        {
            IsTooSlow = true;
            throw TooSlow();
        }
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    private bool IsRequestTimeOver() =>
        context.Features.Get<IHttpRequestTimeoutFeature>()?.RequestTimeoutToken.IsCancellationRequested == true;
}

/// <summary>Puts the time on bodies.</summary>
internal static class TimedBodyExtensions
{
    /// <summary>Answers 408 when a body is not here in time, whatever the proxy makes of that.</summary>
    /// <param name="context">The request.</param>
    /// <param name="limit">How long a body may take.</param>
    /// <param name="clock">The time.</param>
    /// <param name="next">Reads the body.</param>
    public static async Task TimeBodyAsync(
        this HttpContext context, TimeSpan limit, TimeProvider clock, RequestDelegate next)
    {
        if (context.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody != true)
        {
            await next(context);
            return;
        }

        using var deadline = new CancellationTokenSource(limit, clock);
        var body = new TimedBody(context, deadline.Token);
        context.Request.Body = body;
        context.Response.OnStarting(() =>
        {
            // What would still come is not waited for. By HTTP/2 a stream ends by itself.
            if (body.IsTooSlow && context.Request.Protocol == HttpProtocol.Http11)
            {
                context.Response.Headers.Connection = "close";
            }

            return Task.CompletedTask;
        });
        await next(context);
        if (body.IsTooSlow && !context.Response.HasStarted)
        {
            throw TimedBody.TooSlow();
        }
    }
}
