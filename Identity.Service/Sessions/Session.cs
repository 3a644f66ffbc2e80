using System.Security.Claims;

namespace Identity.Service;

/// <summary>
/// A login that goes on: what its refresh tokens come of. Its id is that of OpenIddict's authorization, and <c>sid</c>
/// in access tokens. The row outlives its user, for the gateways to learn that it has ended.
/// </summary>
public sealed class Session
{
    /// <summary>The longest description of a client that is kept, in characters.</summary>
    internal const int MaxClientLength = 200;

    /// <summary>The session's number.</summary>
    public long Id { get; init; }

    /// <summary>Whose it is.</summary>
    public long UserId { get; init; }

    /// <summary>When the user logged in.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it last got tokens.</summary>
    public DateTimeOffset RefreshedAt { get; init; }

    /// <summary>The address that got them.</summary>
    public string? Address { get; init; }

    /// <summary>What the client calls itself, in <c>User-Agent</c>.</summary>
    public string? Client { get; init; }

    /// <summary>When it was ended; null while it goes on.</summary>
    public DateTimeOffset? EndedAt { get; init; }
}

/// <summary>The sessions of callers.</summary>
internal static class CallerSession
{
    /// <summary>The session of an access token; null when it is of an API key.</summary>
    public static long? GetSessionId(this ClaimsPrincipal caller) =>
        long.TryParse(caller.FindFirstValue(Tokens.SessionClaim), out var id) ? id : null;
}
