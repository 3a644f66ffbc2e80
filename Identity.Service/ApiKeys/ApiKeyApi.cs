using System.Security.Claims;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Net.Http.Headers;

namespace Identity.Service;

/// <summary>What users do with their API keys. Not with a key: one that leaked could make others.</summary>
internal static class ApiKeyApi
{
    /// <summary>Maps <c>/api/keys</c>.</summary>
    public static void MapApiKeys(this IEndpointRouteBuilder routes)
    {
        var keys = routes.MapGroup("/api/keys").WithTags("Keys").RequireAuthorization(Tokens.LoginPolicy);
        keys.MapPost("/", Create).WithSummary("Create an API key").Refuses(TooManyKeys());
        keys.MapGet("/", List).WithSummary("List API keys");
        keys.MapPatch("/{id:long}", Change).WithSummary("Change an API key");
        keys.MapDelete("/{id:long}", Revoke).WithSummary("Revoke an API key");
    }

    /// <summary>Makes an API key, which is shown this once.</summary>
    internal static async Task<Results<Created<NewKeyResponse>, ProblemHttpResult>> Create(
        CreateKeyRequest request,
        ClaimsPrincipal caller,
        IdentityDb db,
        Sessions sessions,
        SecurityLog log,
        AuditLog audit,
        HttpResponse response)
    {
        var key = ApiKeys.Create();
        var stored = new ApiKey
        {
            UserId = caller.GetUserId(),
            Name = request.Name!,
            Start = key[..ApiKey.StartLength],
            Hash = ApiKeys.Hash(key),
            Limit = request.Limit,
            DailyLimit = request.DailyLimit,
            MonthlyLimit = request.MonthlyLimit,
            Models = request.Models,
            Scopes = request.Scopes ?? [Tokens.ChatPolicy],
            ExpiresAt = request.Expires?.ToUniversalTime(),
        };
        if (await db.Database.CreateExecutionStrategy().ExecuteAsync(
            () => AddAsync(db, stored, () => sessions.IsAliveAsync(caller, CancellationToken.None))) is { } refusal)
        {
            return refusal;
        }

        log.ApiKeyCreated(stored.UserId, stored.Id);
        await audit.AddAsync("key_created", stored.UserId, $"key {stored.Id}");
        response.Headers.CacheControl = CacheControlHeaderValue.NoStoreString;
        return TypedResults.Created((string?)null, new NewKeyResponse(
            stored.Id, stored.Name, key, stored.Start, stored.Limit, stored.DailyLimit, stored.MonthlyLimit,
            stored.Models, stored.Scopes, stored.CreatedAt.UtcDateTime, stored.ExpiresAt?.UtcDateTime));
    }

    /// <summary>The caller's API keys, newest first, without those that are revoked.</summary>
    /// <remarks>There are few enough for one page.</remarks>
    internal static async Task<Ok<List<KeyResponse>>> List(
        ClaimsPrincipal caller, IdentityDb db, CancellationToken cancellationToken)
    {
        var keys = await Living(db, caller.GetUserId()).OrderByDescending(key => key.Id).ToListAsync(cancellationToken);
        return TypedResults.Ok(keys.ConvertAll(KeyResponse.Of));
    }

    /// <summary>Changes what the request has: its name, limits, models, scopes or end; null is none any more.</summary>
    internal static async Task<Results<Ok<KeyResponse>, NotFound, ProblemHttpResult>> Change(
        long id,
        ChangeKeyRequest request,
        ClaimsPrincipal caller,
        IdentityDb db,
        SecurityLog log,
        AuditLog audit,
        CancellationToken cancellationToken)
    {
        if (request is { HasName: true, Name: null })
        {
            return TypedResults.Problem(ApiKey.NameRule, statusCode: StatusCodes.Status400BadRequest);
        }

        var userId = caller.GetUserId();
        var one = Living(db, userId).Where(key => key.Id == id);
        if ((request.HasName || request.HasLimit || request.HasDailyLimit || request.HasMonthlyLimit
                || request.HasModels || request.HasScopes || request.HasExpires)
            && await one.ExecuteUpdateAsync(
                set =>
                {
                    _ = request.HasName ? set.SetProperty(key => key.Name, request.Name) : set;
                    _ = request.HasLimit ? set.SetProperty(key => key.Limit, request.Limit) : set;
                    _ = request.HasDailyLimit ? set.SetProperty(key => key.DailyLimit, request.DailyLimit) : set;
                    _ = request.HasMonthlyLimit ? set.SetProperty(key => key.MonthlyLimit, request.MonthlyLimit) : set;
                    var (scopes, end) = (request.Scopes ?? [Tokens.ChatPolicy], request.Expires?.ToUniversalTime());
                    _ = request.HasScopes ? set.SetProperty(key => key.Scopes, scopes) : set;
                    _ = request.HasExpires ? set.SetProperty(key => key.ExpiresAt, end) : set;
                    _ = request.HasModels ? set.SetProperty(key => key.Models, request.Models) : set;
                },
                cancellationToken) > 0)
        {
            log.ApiKeyChanged(userId, id);
            await audit.AddAsync("key_changed", userId, $"key {id}");
        }

        return await one.SingleOrDefaultAsync(cancellationToken) is { } changed
            ? TypedResults.Ok(KeyResponse.Of(changed))
            : TypedResults.NotFound();
    }

    /// <summary>Revokes an API key, which is refused within 5 seconds.</summary>
    internal static async Task<Results<NoContent, NotFound>> Revoke(
        long id,
        ClaimsPrincipal caller,
        IdentityDb db,
        SecurityLog log,
        AuditLog audit,
        TimeProvider clock,
        CancellationToken cancellationToken)
    {
        var userId = caller.GetUserId();
        var revoked = await Living(db, userId).Where(key => key.Id == id).ExecuteUpdateAsync(
            set => set.SetProperty(key => key.RevokedAt, clock.GetUtcNow()), cancellationToken);
        if (revoked == 0)
        {
            return TypedResults.NotFound();
        }

        log.ApiKeyRevoked(userId, id);
        await audit.AddAsync("key_revoked", userId, $"key {id}");
        return TypedResults.NoContent();
    }

    private static IQueryable<ApiKey> Living(IdentityDb db, long userId) =>
        db.ApiKeys.AsNoTracking().Where(key => key.UserId == userId && key.RevokedAt == null);

    /// <summary>
    /// Adds a key to those of its user, whose row is locked first: of two requests at once the second counts what the
    /// first has added.
    /// </summary>
    /// <returns>The refusal; null when it is added.</returns>
    private static async Task<ProblemHttpResult?> AddAsync(IdentityDb db, ApiKey key, Func<Task<bool>> isAliveAsync)
    {
        db.ChangeTracker.Clear();
        if (await db.ApiKeys.AnyAsync(each => each.Hash == key.Hash))
        {
            return null; // An attempt before was committed, and its answer lost.
        }

        await using var together = await db.Database.BeginTransactionAsync();
        await db.Database.ExecuteSqlAsync($"SELECT FROM users WHERE id = {key.UserId} FOR NO KEY UPDATE");
        if (!await isAliveAsync())
        {
            return AccountApi.Gone();
        }

        if (await Living(db, key.UserId).CountAsync() >= ApiKey.MaxPerUser)
        {
            return TooManyKeys();
        }

        db.ApiKeys.Add(key);
        await db.SaveChangesAsync();
        await together.CommitAsync();
        return null;
    }

    private static ProblemHttpResult TooManyKeys() => Problems.Refusal(
        StatusCodes.Status409Conflict, "too_many_keys",
        $"There are {ApiKey.MaxPerUser} keys, which is the most. Revoke one that is not used any more.");
}
