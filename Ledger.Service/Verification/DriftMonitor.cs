using System.Data;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Ledger.Service.Verification;

/// <summary>
/// Verifies the books from time to time for the metric <c>ledger.drift</c>, and counts open holds for
/// <c>ledger.holds.open</c>. One replica does it, the one that holds Postgres's advisory lock; when it dies, another
/// gets the lock. A run looks at what has changed since the one before it. The first run, one a day, and those after a
/// run that found something look at everything.
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

    /// <summary>How many accounts are verified at one moment: an old snapshot keeps vacuum from dead rows.</summary>
    private const int MaxAccounts = 1_000;

    private const string HoldsSql = """
        SELECT now(), count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 FROM holds
        """;

    private static readonly TimeSpan CountHoldsEvery = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan VerifyAllEvery = TimeSpan.FromDays(1);

    /// <summary>A row has the time at which its transaction began, which may be a while before its commit.</summary>
    private static readonly TimeSpan LongestTransaction = TimeSpan.FromMinutes(1);

    private readonly TimeSpan _verifyEvery = options.Value.VerifyEvery;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(_verifyEvery < CountHoldsEvery ? _verifyEvery : CountHoldsEvery, time);
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
            DateTimeOffset? verified = null; // By the database's clock, as rows are.
            var (begun, begunAll, off) = (DateTimeOffset.MinValue, DateTimeOffset.MinValue, 0L);
            do
            {
                var now = await CountHoldsAsync(connection, cancellationToken); // Fails when the lock is lost.
                if (time.GetUtcNow() - begun < _verifyEvery)
                {
                    continue;
                }

                begun = time.GetUtcNow();
                if (off > 0 || begun - begunAll >= VerifyAllEvery)
                {
                    (begunAll, verified) = (begun, null);
                }

                off = await VerifyAsync(verified - LongestTransaction, cancellationToken);
                verified = now;
            }
            while (await timer.WaitForNextTickAsync(cancellationToken));
        }
        finally
        {
            metrics.SetDrift(null); // From now on it is another's to say.
            metrics.SetHolds(null);
            if (connection.State is ConnectionState.Open) // The pool keeps it, and the lock with it.
            {
                await using var done = new NpgsqlCommand($"SELECT pg_advisory_unlock({LockId})", connection);
                await done.ExecuteNonQueryAsync(CancellationToken.None);
            }
        }
    }

    /// <returns>The time of the database.</returns>
    private async Task<DateTimeOffset> CountHoldsAsync(
        NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(HoldsSql, connection);
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        metrics.SetHolds(new LedgerMetrics.OpenHolds(row.GetInt64(1), row.GetDouble(2)));
        return row.GetFieldValue<DateTimeOffset>(0);
    }

    /// <summary>Verifies what has changed since then; everything when null.</summary>
    private async Task<long> VerifyAsync(DateTimeOffset? since, CancellationToken cancellationToken)
    {
        using var timer = metrics.Time(since is null ? "verify all" : "verify");
        List<long[]?> parts = since is { } then
            ? [.. (await verifier.ChangedAsync(then, cancellationToken)).Chunk(MaxAccounts)]
            : [null];
        var off = 0L;
        foreach (var accounts in parts)
        {
            await foreach (var drift in verifier.VerifyBooksAsync(accounts, report: null, cancellationToken))
            {
                if (off++ < MaxNamed)
                {
                    logger.LogCritical("The books are off: {Drift}", drift);
                }
            }
        }

        metrics.SetDrift(off);
        return off;
    }
}
