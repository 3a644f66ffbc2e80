using System.Net;
using Microsoft.AspNetCore.Identity;
using Npgsql;

namespace Identity.Service;

/// <summary>
/// Makes guessing slow, on all replicas together, and locks nobody out for good. Names that nobody has are locked like
/// those of users, so that a lock says nothing about them.
/// </summary>
/// <remarks>
/// A user at an address is locked by the failures there, with a delay that doubles. That leaves those who guess from
/// many addresses, whom a shorter delay for the user everywhere slows down, and those who guess at many users, whom the
/// limit of their address slows down. Both of these leave out addresses where the user has logged in before, and the
/// first lets every address try twice: a stranger who fails on purpose cannot keep the user out from elsewhere.
/// </remarks>
/// <param name="db">Where failures are counted, each by one statement.</param>
/// <param name="options">How many are too many.</param>
/// <param name="names">Makes names of different case one.</param>
/// <param name="auth">What the names of rows are hashed with.</param>
/// <param name="clock">The time.</param>
internal sealed class LoginThrottle(
    NpgsqlDataSource db, LoginOptions options, ILookupNormalizer names, AuthOptions auth, TimeProvider clock)
{
    /// <summary>Failures are forgotten when the last one is this old.</summary>
    private static readonly TimeSpan Memory = TimeSpan.FromDays(1);

    private static readonly TimeSpan Trust = TimeSpan.FromDays(30);

    /// <summary>How often an address may try a user who is locked at all addresses.</summary>
    private const int TriesWhileLocked = 2;

    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    // What is not locked has never been. Were it locked "until now", who read the clock a moment before would find a
    // lock.
    private const string ReadSql =
        "SELECT key, failures, failed_at, locked_until, trusted_until FROM login_failures WHERE key = ANY ($1)";

    // $1 key, $2 now, $3 since when failures count, $4 how many are free, $5 first delay, $6 longest delay
    private const string FailSql = """
        INSERT INTO login_failures AS f (key, failures, failed_at, locked_until)
        VALUES ($1, 1, $2, CASE WHEN $4 > 1 THEN '-infinity' ELSE $2 + $5 END)
        ON CONFLICT (key) DO UPDATE SET
          failures = CASE WHEN f.failed_at < $3 THEN 1 ELSE f.failures + 1 END,
          failed_at = excluded.failed_at,
          locked_until = CASE
            WHEN f.failed_at < $3 THEN excluded.locked_until
            WHEN f.failures + 1 < $4 THEN f.locked_until
            ELSE $2 + least($6, $5 * power(2, least(f.failures + 1 - $4, 30)))
          END
        RETURNING locked_until
        """;

    // A bucket of a minute's failures that drains by one each $4: locked once what is in it is more than a minute's,
    // and for a minute at most.
    // $1 key, $2 now, $3 a minute, $4 a minute divided by the failures it may have
    private const string FailAddressSql = """
        INSERT INTO login_failures AS f (key, failures, failed_at, locked_until)
        VALUES ($1, 1, $2, $2 - $3 + $4)
        ON CONFLICT (key) DO UPDATE SET
          failures = f.failures + 1,
          failed_at = excluded.failed_at,
          locked_until = least(greatest(f.locked_until, $2 - $3) + $4, $2 + $3)
        RETURNING locked_until
        """;

    // $1 key of the user at the address, $2 now, $3 until when to trust
    private const string SucceedSql = """
        INSERT INTO login_failures (key, failures, failed_at, locked_until, trusted_until)
        VALUES ($1, 0, $2, '-infinity', $3)
        ON CONFLICT (key) DO UPDATE SET
          failures = 0, locked_until = excluded.locked_until, trusted_until = excluded.trusted_until
        """;

    // $1 key of the account, $2 failures that were the user's own
    private const string ForgiveSql =
        "UPDATE login_failures SET failures = greatest(0, failures - $2) WHERE key = $1";

    private const string PruneSql =
        "DELETE FROM login_failures WHERE failed_at < $1 AND locked_until < $2 AND coalesce(trusted_until < $2, true)";

    /// <summary>Names what an attempt is counted under.</summary>
    /// <param name="name">The name that was sent; nobody need have it.</param>
    /// <param name="address">Where it comes from.</param>
    public LoginAttempt Attempt(string name, IPAddress? address) =>
        // What cannot be a name may be text that cannot be normalised either.
        LoginAttempt.Of(User.IsName(name) ? names.NormalizeName(name) : name, address, auth.KeyProtectionSecret);

    /// <summary>Forgets the failures of a user who is gone, at all addresses together.</summary>
    /// <param name="name">The user's name.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task ForgetAsync(string name, CancellationToken cancellationToken)
    {
        await using var command = db.CreateCommand("DELETE FROM login_failures WHERE key = $1");
        command.Parameters.Add(new NpgsqlParameter { Value = Attempt(name, address: null).Account });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Looks whether an attempt has to wait.</summary>
    /// <returns>How long, or null when it need not.</returns>
    public async Task<TimeSpan?> WaitAsync(LoginAttempt attempt, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var rows = await ReadAsync([attempt.User, attempt.Account, attempt.Source], cancellationToken);
        var here = rows.Find(row => row.Key == attempt.User);
        var isTrusted = here?.TrustedUntil > now;
        // Whoever keeps a user locked from many addresses leaves the user's own address a try, and one for a slip.
        var isNew = here is null || here.Failures < TriesWhileLocked || here.FailedAt < now - Memory;
        var lockedUntil = rows
            .Where(row => row.Key == attempt.User
                || (row.Key == attempt.Account && !isTrusted && !isNew)
                || (row.Key == attempt.Source && !isTrusted))
            .Select(row => row.LockedUntil).DefaultIfEmpty(now).Max();
        return lockedUntil > now ? lockedUntil - now : null;
    }

    /// <summary>Counts a wrong password.</summary>
    /// <returns>What is locked from now on, and how long.</returns>
    public async Task<IReadOnlyList<(string Scope, TimeSpan Wait)>> FailAsync(
        LoginAttempt attempt, CancellationToken cancellationToken)
    {
        // Rounded as the database rounds, for what comes back to be compared.
        var now = new DateTimeOffset(clock.GetUtcNow().UtcTicks / 10 * 10, TimeSpan.Zero);
        // Always in this order of kinds, so that two batches cannot each hold what the other waits for.
        await using var batch = db.CreateBatch();
        batch.BatchCommands.Add(Command(
            FailAddressSql, attempt.Source, now, Minute, Minute / options.AddressFailuresPerMinute));
        batch.BatchCommands.Add(Command(
            FailSql, attempt.User, now, now - Memory, options.FreeFailures, options.FirstDelay, options.MaxDelay));
        batch.BatchCommands.Add(Command(
            FailSql, attempt.Account, now, now - Memory, options.AccountFreeFailures, options.FirstDelay,
            options.AccountMaxDelay));
        var locks = new List<(string, TimeSpan)>();
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        foreach (var scope in new[] { "address", "account_at_address", "account" })
        {
            await reader.ReadAsync(cancellationToken);
            if (reader.GetFieldValue<DateTimeOffset>(0) is var lockedUntil && lockedUntil > now)
            {
                locks.Add((scope, lockedUntil - now));
            }

            await reader.NextResultAsync(cancellationToken);
        }

        return locks;
    }

    /// <summary>Forgets the user's failures at this address, and knows the user there from now on.</summary>
    public async Task SucceedAsync(LoginAttempt attempt, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var rows = await ReadAsync([attempt.User], cancellationToken);
        if (rows is [{ Failures: 0, TrustedUntil: { } trusted }] && trusted > now + Trust - Memory)
        {
            return; // Most logins write nothing here.
        }

        await using var batch = db.CreateBatch();
        batch.BatchCommands.Add(Command(SucceedSql, attempt.User, now, now + Trust));
        if (rows is [{ Failures: > 0 and var own }])
        {
            batch.BatchCommands.Add(Command(ForgiveSql, attempt.Account, own));
        }

        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Removes what is of no more use.</summary>
    public async Task PruneAsync(CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        await using var batch = db.CreateBatch();
        batch.BatchCommands.Add(Command(PruneSql, now - Memory, now));
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task<List<LoginFailures>> ReadAsync(Guid[] keys, CancellationToken cancellationToken)
    {
        await using var command = db.CreateCommand(ReadSql);
        command.Parameters.Add(new NpgsqlParameter { Value = keys });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<LoginFailures>();
        while (await reader.ReadAsync(cancellationToken))
        {
            rows.Add(new()
            {
                Key = reader.GetGuid(0),
                Failures = reader.GetInt32(1),
                FailedAt = reader.GetFieldValue<DateTimeOffset>(2),
                LockedUntil = reader.GetFieldValue<DateTimeOffset>(3),
                TrustedUntil = reader.IsDBNull(4) ? null : reader.GetFieldValue<DateTimeOffset>(4),
            });
        }

        return rows;
    }

    private static NpgsqlBatchCommand Command(string sql, params object[] values)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var value in values)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        return command;
    }
}
