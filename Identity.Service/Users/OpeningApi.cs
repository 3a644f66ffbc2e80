using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Identity.Service;

/// <summary>The section <c>Opening</c>: what a new user starts with.</summary>
public sealed class OpeningOptions
{
    /// <summary>Credits of an account that Ledger.Service opens, unless its address has had enough that day.</summary>
    [Range(0, 1_000_000_000, ErrorMessage = "'Opening:Credits' is 0 to 1,000,000,000.")]
    public long Credits { get; set; } = 4000;
}

/// <summary>What Ledger.Service asks at the first contact of an account.</summary>
internal static class OpeningApi
{
    /// <summary>Adds <see cref="OpeningOptions"/>, checked at start.</summary>
    public static void AddOpening(this IHostApplicationBuilder builder) => builder.Services
        .AddOptions<OpeningOptions>().BindConfiguration("Opening").ValidateDataAnnotations().ValidateOnStart();

    /// <summary>Maps <c>/users/{id}/opening</c>, for services only. The gateway has no route to it.</summary>
    public static void MapOpening(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/users/{id:long:min(1)}/opening", Find)
            .ExcludeFromDescription().RequireAuthorization(Tokens.UsersPolicy);

    /// <summary>The credits with which a user's account opens; 404 when there is no such user, or no more.</summary>
    private static async Task<Results<Ok<OpeningResponse>, NotFound>> Find(
        long id, IdentityDb db, CancellationToken cancellationToken) =>
        await db.Users.Where(user => user.Id == id && user.LeavingAt == null)
            .Select(user => (long?)user.OpeningCredits).SingleOrDefaultAsync(cancellationToken) is { } credits
            ? TypedResults.Ok(new OpeningResponse(credits))
            : TypedResults.NotFound();
}

/// <summary>What an account opens with.</summary>
/// <param name="Credits">How many credits.</param>
internal sealed record OpeningResponse(long Credits);
