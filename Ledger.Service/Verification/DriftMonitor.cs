using Npgsql;
using Microsoft.Extensions.Options;

namespace Ledger.Service.Verification;

/// <summary>
/// Verifies the books from time to time for the metric <c>ledger.drift</c>. One replica does it, the one that gets
/// Postgres's advisory lock.
/// </summary>
internal sealed class DriftMonitor(
    LedgerVerifier verifier,
    NpgsqlDataSource database,
    LedgerMetrics metrics,
    IOptions<LedgerOptions> options,
    TimeProvider time,
    ILogger<DriftMonitor> logger) : BackgroundService
{
    /// <summary>The lock's number: "drift" in ASCII.</summary>
    private const long LockId = 0x6472696674;

    /// <summary>How many rows the log names; <c>verify</c> names all.</summary>
    private const int MaxNamed = 10;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.VerifyEvery, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await VerifyAsync(stoppingToken);
            }
            catch (NpgsqlException exception)
            {
                logger.LogWarning("The books could not be verified: {Problem}", exception.Message);
            }
        }
    }

    private async Task VerifyAsync(CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var turn = new NpgsqlCommand($"SELECT pg_try_advisory_lock({LockId})", connection);
        if (await turn.ExecuteScalarAsync(cancellationToken) is not true)
        {
            return; // Another replica is at it.
        }

        try
        {
            var off = 0L;
            await foreach (var drift in verifier.VerifyBooksAsync(report: null, cancellationToken))
            {
                if (off++ < MaxNamed)
                {
                    logger.LogCritical("The books are off: {Drift}", drift);
                }
            }

            metrics.SetDrift(off);
        }
        finally
        {
            await using var done = new NpgsqlCommand($"SELECT pg_advisory_unlock({LockId})", connection);
            await done.ExecuteNonQueryAsync(CancellationToken.None);
        }
    }
}
