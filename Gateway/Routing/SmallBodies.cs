using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;
using Yarp.ReverseProxy.Forwarder;

namespace Gateway.Routing;

/// <summary>
/// Sends a small body together with the headers. The proxy sends the headers first, so that a service wakes twice for
/// a call: the body is read beforehand instead, which also spares services the clients that are slow to send one.
/// </summary>
internal static class SmallBodies
{
    /// <summary>The longest body that is read beforehand, in bytes.</summary>
    public const int MaxBytes = 16 * 1024;

    /// <summary>Reads a small body whole, from where <see cref="Rewind"/> brings it back for another try.</summary>
    /// <param name="request">The client's request. What it sends in chunks gets a length.</param>
    /// <param name="cancel">Ends the reading.</param>
    /// <exception cref="BadHttpRequestException">The client sends it too slowly, or has left.</exception>
    public static async Task ReadSmallBodyAsync(this HttpRequest request, CancellationToken cancel)
    {
        if (!request.HasBody() || request.ContentLength > MaxBytes)
        {
            return;
        }

        var reader = request.BodyReader;
        var read = await ReadAsync(reader, cancel);
        if (read.IsCompleted && read.Buffer.Length <= MaxBytes)
        {
            request.Body = new MemoryStream(read.Buffer.ToArray(), writable: false);
            request.Headers.TransferEncoding = default;
            request.ContentLength = read.Buffer.Length;
            reader.AdvanceTo(read.Buffer.End);
        }
        else
        {
            reader.AdvanceTo(read.Buffer.Start);
            request.Body = reader.AsStream();
        }
    }

    private static async Task<ReadResult> ReadAsync(PipeReader body, CancellationToken cancel)
    {
        try
        {
            return await body.ReadAtLeastAsync(MaxBytes + 1, cancel);
        }
        catch (IOException malformed) when (malformed is not (BadHttpRequestException or ConnectionResetException))
        {
            // So Kestrel calls a chunk whose size is no number.
            throw new BadHttpRequestException(malformed.Message, malformed);
        }
    }

    /// <summary>Makes a body that was read beforehand be sent again.</summary>
    /// <param name="request">The client's request.</param>
    public static void Rewind(this HttpRequest request)
    {
        if (request.Body is MemoryStream body)
        {
            body.Position = 0;
        }
    }

    /// <summary>Whether all of a request can be sent once more: a body that was not read beforehand is gone.</summary>
    public static bool CanBeSentAgain(this HttpRequest request) => !request.HasBody() || request.Body is MemoryStream;

    /// <summary>Whether a body comes with the request.</summary>
    public static bool HasBody(this HttpRequest request) =>
        request.HttpContext.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true };

    /// <summary>Lets a body that is here go out in one piece with its headers.</summary>
    public static IReverseProxyBuilder AddSmallBodies(this IReverseProxyBuilder proxy)
    {
        proxy.Services.AddSingleton<IForwarderHttpClientFactory, ClientFactory>();
        return proxy;
    }

    /// <summary>Connections to services, as the proxy makes them.</summary>
    private sealed class ClientFactory : ForwarderHttpClientFactory
    {
        protected override void ConfigureHandler(ForwarderHttpClientContext context, SocketsHttpHandler handler)
        {
            base.ConfigureHandler(context, handler);
            handler.ConnectTimeout = Retries.ConnectTimeout;
        }

        protected override HttpMessageHandler WrapHandler(
            ForwarderHttpClientContext context, HttpMessageHandler handler) =>
            new OnePiece { InnerHandler = base.WrapHandler(context, handler) };
    }

    /// <summary>Sends a small body in one piece. A replica that drains counts as one that is gone.</summary>
    private sealed class OnePiece : DelegatingHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var isSmall = request.Content is null || request.Content.Headers.ContentLength <= MaxBytes;
            if (isSmall && request.Content is not null)
            {
                await request.Content.LoadIntoBufferAsync(MaxBytes, cancellationToken);
            }

            var response = await base.SendAsync(request, cancellationToken);
            // A large body is gone: then the caller has to send it again.
            if (response.Headers.Remove(Draining.Header) && isSmall)
            {
                response.Dispose();
                throw new HttpRequestException(HttpRequestError.ConnectionError, "The replica is being stopped.");
            }

            return response;
        }
    }
}
