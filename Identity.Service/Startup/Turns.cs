using Microsoft.EntityFrameworkCore;

namespace Identity.Service;

/// <summary>What replicas must not do at the same time.</summary>
internal static class Turns
{
    /// <summary>The lock's number in identitydb. Any will do as long as it stays the same.</summary>
    public const long LockId = 0x1DE47171;

    private static readonly TimeSpan MaxWait = TimeSpan.FromMinutes(10);

    /// <summary>Does some work while no other replica does any here: one waits for the other.</summary>
    /// <param name="db">Holds the lock, on a connection that stays open until the context is disposed.</param>
    /// <param name="work">The work.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task InTurnAsync(this IdentityDb db, Func<Task> work, CancellationToken cancellationToken)
    {
        await db.Database.OpenConnectionAsync(cancellationToken);
        // Of many replicas the last waits for all the others.
        var timeout = db.Database.GetCommandTimeout();
        db.Database.SetCommandTimeout(MaxWait);
        await db.Database.ExecuteSqlAsync($"SELECT pg_advisory_lock({LockId})", cancellationToken);
        db.Database.SetCommandTimeout(timeout);
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
