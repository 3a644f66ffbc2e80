using Microsoft.EntityFrameworkCore;

namespace Identity.Service;

/// <summary>What replicas must not do at the same time.</summary>
internal static class Turns
{
    /// <summary>The lock's number in identitydb. Any will do as long as it stays the same.</summary>
    public const long LockId = 0x1DE47171;

    /// <summary>How long to wait when there is nothing else to do: of many replicas the last waits for all.</summary>
    public static readonly TimeSpan AtStart = TimeSpan.FromMinutes(10);

    /// <summary>How long to wait with a service that runs, and tries again later.</summary>
    public static readonly TimeSpan WhileRunning = TimeSpan.FromSeconds(30);

    /// <summary>Does some work while no other replica does any here: one waits for the other.</summary>
    /// <param name="db">Holds the lock, on a connection that stays open until the context is disposed.</param>
    /// <param name="patience">How long to wait for the others.</param>
    /// <param name="work">The work.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="Npgsql.NpgsqlException">The others took longer; nothing was done.</exception>
    public static async Task InTurnAsync(
        this IdentityDb db, TimeSpan patience, Func<Task> work, CancellationToken cancellationToken)
    {
        await db.Database.OpenConnectionAsync(cancellationToken);
        var timeout = db.Database.GetCommandTimeout();
        db.Database.SetCommandTimeout(patience);
        try
        {
            await db.Database.ExecuteSqlAsync($"SELECT pg_advisory_lock({LockId})", cancellationToken);
        }
        finally
        {
            db.Database.SetCommandTimeout(timeout);
        }

        try
        {
            await work();
        }
        finally
        {
            await db.Database.ExecuteSqlAsync($"SELECT pg_advisory_unlock({LockId})", CancellationToken.None);
        }
    }
}
