using Npgsql;

namespace Identity.Service;

/// <summary>
/// How much work the dearest hash is that came from Django and is still in use. As long as there is one, every wrong
/// password costs that much beside the usual: see <see cref="EqualWorkHasher"/>.
/// </summary>
/// <param name="db">Where the hashes are.</param>
/// <param name="clock">The time.</param>
internal sealed class ImportedHashes(NpgsqlDataSource db, TimeProvider clock) : IDisposable
{
    // A look at one row: there is an index, ix_users_imported_iterations, over the hashes that are left.
    private const string ReadSql = $"""
        SELECT coalesce(max(split_part(password_hash, '$', 2)::int), 0) FROM users
        WHERE starts_with(password_hash, '{DjangoHash.Prefix}')
        """;

    private static readonly TimeSpan Freshness = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _reading = new(1);
    private DateTimeOffset? _readAt;
    private int _dearest;

    /// <summary>Gets the iterations of PBKDF2 with HMAC-SHA256; 0 when no such hash is left.</summary>
    public int Dearest => Volatile.Read(ref _dearest);

    /// <summary>Reads it again when that was last done more than a minute ago. For each login alike.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    public async ValueTask RefreshAsync(CancellationToken cancellationToken)
    {
        await _reading.WaitAsync(cancellationToken);
        try
        {
            if (_readAt is { } last && (clock.GetUtcNow() - last).Duration() < Freshness)
            {
                return;
            }

            await using var command = db.CreateCommand(ReadSql);
            Volatile.Write(ref _dearest, (int)(await command.ExecuteScalarAsync(cancellationToken))!);
            _readAt = clock.GetUtcNow();
        }
        finally
        {
            _reading.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _reading.Dispose();

    /// <summary>Takes note of one that is looked at now, imported within the last minute.</summary>
    /// <param name="iterations">Its work.</param>
    public void Saw(int iterations)
    {
        if (iterations > Dearest)
        {
            Volatile.Write(ref _dearest, iterations);
        }
    }
}
