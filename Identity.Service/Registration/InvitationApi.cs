using System.ComponentModel.DataAnnotations;
using System.Security.Claims;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Net.Http.Headers;

namespace Identity.Service;

/// <summary>Invitations, which administrators make.</summary>
internal static class InvitationApi
{
    /// <summary>Maps <c>/invitations</c> of the group.</summary>
    /// <param name="admin">The group of administrators' calls.</param>
    public static void MapInvitations(this IEndpointRouteBuilder admin)
    {
        admin.MapPost("/invitations", Create).WithSummary("Invite a user");
        admin.MapGet("/invitations", List).WithSummary("List invitations");
        admin.MapDelete("/invitations/{id:long}", Revoke).WithSummary("Take an invitation back");
    }

    /// <summary>Makes an invitation, whose code is shown this once. One user can register with it.</summary>
    internal static async Task<Created<NewInvitationResponse>> Create(
        CreateInvitationRequest request,
        ClaimsPrincipal caller,
        IdentityDb db,
        AuditLog audit,
        TimeProvider clock,
        HttpResponse response)
    {
        var code = Invitation.NewCode();
        var now = clock.GetUtcNow();
        var invitation = new Invitation
        {
            Hash = ApiKeys.Hash(code),
            Note = request.Note,
            CreatedBy = caller.GetUserId(),
            CreatedAt = now,
            ExpiresAt = now.AddDays(request.Days),
        };
        db.Invitations.Add(invitation);
        await db.SaveChangesAsync();
        await audit.AddAsync("invitation_created", subject: null, $"invitation {invitation.Id}");
        response.Headers.CacheControl = CacheControlHeaderValue.NoStoreString;
        return TypedResults.Created((string?)null, new NewInvitationResponse(
            invitation.Id, code, invitation.Note, invitation.ExpiresAt.UtcDateTime));
    }

    /// <summary>The invitations that can be used, the latest first.</summary>
    internal static async Task<Ok<List<InvitationResponse>>> List(
        IdentityDb db, TimeProvider clock, CancellationToken cancellationToken) =>
        TypedResults.Ok((await RegistrationApi.Open(db, clock).OrderByDescending(one => one.Id)
            .ToListAsync(cancellationToken)).ConvertAll(one => new InvitationResponse(
                one.Id, one.Note, one.CreatedBy, one.CreatedAt.UtcDateTime, one.ExpiresAt.UtcDateTime)));

    /// <summary>Takes an invitation back that nobody has used.</summary>
    internal static async Task<Results<NoContent, NotFound>> Revoke(
        long id, IdentityDb db, AuditLog audit, TimeProvider clock)
    {
        if (await RegistrationApi.Open(db, clock).Where(one => one.Id == id).ExecuteDeleteAsync() == 0)
        {
            return TypedResults.NotFound();
        }

        await audit.AddAsync("invitation_revoked", subject: null, $"invitation {id}");
        return TypedResults.NoContent();
    }
}

/// <summary>An invitation to be made.</summary>
/// <remarks>Public, because validation passes over internal types.</remarks>
/// <param name="Note">For whom it is.</param>
/// <param name="Days">For how many days it is good.</param>
/// <example>{"note":"Bob of sales","days":7}</example>
public sealed record CreateInvitationRequest(
    [RegularExpression(@"^\P{Cc}{0,200}\z", ErrorMessage = "The note has at most 200 characters that can be seen.")]
    string? Note = null,
    [Range(1, 365, ErrorMessage = "The days are 1 to 365.")] int Days = 7);

/// <summary>An invitation, as lists show it.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Note">For whom it is.</param>
/// <param name="By">The administrator who made it.</param>
/// <param name="Created">When it was made, in UTC.</param>
/// <param name="Expires">Until when it is good, in UTC.</param>
/// <example>
/// {"id":3,"note":"Bob of sales","by":1,"created":"2025-01-06T12:34:56.789Z","expires":"2025-01-13T12:34:56.789Z"}
/// </example>
internal sealed record InvitationResponse(long Id, string? Note, long By, DateTime Created, DateTime Expires);

/// <summary>An invitation that was just made, the one time that its code is shown.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Invitation">The code, for POST /api/register.</param>
/// <param name="Note">For whom it is.</param>
/// <param name="Expires">Until when it is good, in UTC.</param>
/// <example>
/// {"id":3,"invitation":"inv_Jc2sYb0R…","note":"Bob of sales","expires":"2025-01-13T12:34:56.789Z"}
/// </example>
internal sealed record NewInvitationResponse(long Id, string Invitation, string? Note, DateTime Expires);
