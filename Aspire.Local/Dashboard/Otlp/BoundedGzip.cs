using System.IO.Compression;
using Aspire.Dashboard.Telemetry;
using Grpc.Net.Compression;

namespace Aspire.Dashboard.Otlp;

/// <summary>
/// Unpacks messages of gRPC up to the length that they may have. gRPC's own limit is for what is packed.
/// </summary>
internal sealed class BoundedGzip : ICompressionProvider
{
    /// <inheritdoc/>
    public string EncodingName => "gzip";

    /// <inheritdoc/>
    public Stream CreateCompressionStream(Stream stream, CompressionLevel? compressionLevel) =>
        new GZipStream(stream, compressionLevel ?? CompressionLevel.Fastest, leaveOpen: true);

    /// <inheritdoc/>
    public Stream CreateDecompressionStream(Stream stream)
    {
        using var gzip = new GZipStream(stream, CompressionMode.Decompress, leaveOpen: true);
        var unpacked = new MemoryStream();
        var piece = new byte[16 * 1024];
        for (int length; (length = gzip.Read(piece)) > 0;)
        {
            if (unpacked.Length + length > Limits.RequestBytes)
            {
                throw new InvalidDataException("The message is too large when it is unpacked.");
            }

            unpacked.Write(piece, 0, length);
        }

        unpacked.Position = 0;
        return unpacked;
    }
}
