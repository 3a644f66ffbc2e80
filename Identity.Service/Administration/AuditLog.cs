using Microsoft.AspNetCore.Authorization;
using Microsoft.EntityFrameworkCore;

namespace Identity.Service;

/// <summary>Who did what to whom, when and from where. Written once: a trigger refuses any change.</summary>
public sealed class AuditEntry
{
    /// <summary>Which entry it is: later ones have higher numbers.</summary>
    public long Id { get; init; }

    /// <summary>When, by the database's clock.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>The user who did it; null when it was the configuration.</summary>
    public long? Actor { get; init; }

    /// <summary>The user to whom it was done.</summary>
    public long? Subject { get; init; }

    /// <summary>What was done, such as <c>user_disabled</c>.</summary>
    public required string Action { get; init; }

    /// <summary>More about it.</summary>
    public string? Detail { get; init; }

    /// <summary>The address that asked for it.</summary>
    public string? Address { get; init; }
}

/// <summary>Writes the audit log. What it says of the caller comes from the request.</summary>
internal sealed class AuditLog(IdentityDb db, IHttpContextAccessor accessor)
{
    /// <summary>Adds an entry, in the transaction of the context if there is one.</summary>
    public async Task AddAsync(string action, long? subject, string? detail = null)
    {
        var http = accessor.HttpContext;
        // Where no token is needed, one that is sent says nothing: it is the user who has shown the password.
        var actor = http is null ? null
            : http.GetEndpoint()?.Metadata.GetMetadata<IAuthorizeData>() is null ? subject
            : http.User.GetUserId();
        await AddAsync(actor, subject, action, detail, http?.Connection.RemoteIpAddress?.ToString());
    }

    /// <summary>Adds an entry of another service.</summary>
    public Task AddAsync(AuditRequest entry) =>
        AddAsync(entry.Actor, entry.Subject, entry.Action, entry.Detail, entry.Address);

    private Task<int> AddAsync(long? actor, long? subject, string action, string? detail, string? address) =>
        db.Database.ExecuteSqlAsync($"""
            INSERT INTO audit (actor, subject, action, detail, address)
            VALUES ({actor}, {subject}, {action}, {detail}, {address})
            """);

    /// <summary>Makes a change and notes it, both or neither.</summary>
    /// <param name="action">What is done.</param>
    /// <param name="subject">To whom.</param>
    /// <param name="change">Makes the change; false when there is nothing to change and to note.</param>
    /// <returns>What the change says.</returns>
    public Task<bool> WithAsync(string action, long? subject, Func<Task<bool>> change) =>
        db.Database.CreateExecutionStrategy().ExecuteAsync(async () =>
        {
            db.ChangeTracker.Clear(); // Of an attempt before.
            await using var together = await db.Database.BeginTransactionAsync();
            if (!await change())
            {
                return false;
            }

            await AddAsync(action, subject);
            await together.CommitAsync();
            return true;
        });
}
