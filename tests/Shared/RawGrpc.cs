using System.Net;
using System.Net.Http.Headers;

namespace Tests.Shared;

/// <summary>A call of gRPC, byte for byte: also such as no client would make.</summary>
internal static class RawGrpc
{
    /// <summary>How many bytes come before a message: whether it is packed, and its length.</summary>
    public const int HeaderLength = 5;

    /// <summary>A call with one message.</summary>
    /// <param name="address">Where the service is.</param>
    /// <param name="method">The service and its method, as in <c>package.Service/Method</c>.</param>
    /// <param name="message">The message.</param>
    /// <param name="isPacked">Whether the message says that it is packed by gzip.</param>
    public static HttpRequestMessage Request(Uri address, string method, byte[] message, bool isPacked = false)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(address, method))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(
                [
                    (byte)(isPacked ? 1 : 0), .. BitConverter.GetBytes(IPAddress.HostToNetworkOrder(message.Length)),
                    .. message,
                ]),
        };
        request.Headers.TE.Add(new("trailers"));
        request.Content.Headers.ContentType = new("application/grpc");
        if (isPacked)
        {
            request.Headers.Add("grpc-encoding", "gzip");
        }

        return request;
    }

    /// <summary>The status of an answer that has been read: gRPC's, or HTTP's where there is none.</summary>
    public static string StatusOf(HttpResponseMessage response)
    {
        return Find(response.TrailingHeaders) ?? Find(response.Headers) ?? $"HTTP {(int)response.StatusCode}";

        static string? Find(HttpHeaders headers) =>
            headers.TryGetValues("grpc-status", out var values) ? values.Single() : null;
    }

    /// <summary>The next message of an answer.</summary>
    /// <returns>The message; null at the end.</returns>
    public static async Task<byte[]?> ReadMessageAsync(this Stream answer, CancellationToken cancellationToken)
    {
        var header = new byte[HeaderLength];
        if (await answer.ReadAtLeastAsync(header, header.Length, throwOnEndOfStream: false, cancellationToken) == 0)
        {
            return null;
        }

        var message = new byte[IPAddress.NetworkToHostOrder(BitConverter.ToInt32(header, 1))];
        await answer.ReadExactlyAsync(message, cancellationToken);
        return message;
    }
}
