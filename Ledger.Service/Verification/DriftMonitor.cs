using System.Data;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Ledger.Service.Verification;

/// <summary>
/// Verifies the books from time to time for the metric <c>ledger.drift</c>. One replica does it, the one that holds
/// Postgres's advisory lock; when it dies, another gets the lock.
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
        do
        {
            try
            {
                await MonitorAsync(timer, stoppingToken);
            }
            catch (NpgsqlException exception)
            {
                logger.LogWarning("The books could not be verified: {Problem}", exception.Message);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    /// <summary>Verifies again and again while this replica holds the lock; returns when another does.</summary>
    private async Task MonitorAsync(PeriodicTimer timer, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var turn = new NpgsqlCommand($"SELECT pg_try_advisory_lock({LockId})", connection);
        if (await turn.ExecuteScalarAsync(cancellationToken) is not true)
        {
            return;
        }

        try
        {
            do
            {
                await VerifyAsync(cancellationToken);
                await using var held = new NpgsqlCommand("SELECT 1", connection); // Fails when the lock is lost.
                await held.ExecuteNonQueryAsync(cancellationToken);
            }
            while (await timer.WaitForNextTickAsync(cancellationToken));
        }
        finally
        {
            metrics.SetDrift(null); // From now on it is another's to say.
            if (connection.State is ConnectionState.Open) // The pool keeps it, and the lock with it.
            {
                await using var done = new NpgsqlCommand($"SELECT pg_advisory_unlock({LockId})", connection);
                await done.ExecuteNonQueryAsync(CancellationToken.None);
            }
        }
    }

    private async Task VerifyAsync(CancellationToken cancellationToken)
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
}
