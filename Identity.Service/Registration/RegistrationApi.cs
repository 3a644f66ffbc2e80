using System.ComponentModel.DataAnnotations;
using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Identity.Service;

/// <summary>Registration.</summary>
internal static class RegistrationApi
{
    private const string NameTaken = "This username is taken. Choose another.";

    /// <summary>Maps POST /api/register.</summary>
    public static void MapRegistration(this IEndpointRouteBuilder routes) => routes.MapPost("/api/register", Register)
        .WithTags("Account").WithSummary("Register")
        .Refuses(
        [
            TypedResults.Problem(NameTaken, statusCode: StatusCodes.Status409Conflict),
            Closed(), NotInvited(), TooMany(), .. PasswordVerdict.Refusals,
        ]);

    /// <summary>Adds <see cref="RegistrationOptions"/>, checked at start.</summary>
    public static void AddRegistration(this IHostApplicationBuilder builder) => builder.Services
        .AddOptions<RegistrationOptions>().BindConfiguration("Registration").ValidateDataAnnotations()
        .ValidateOnStart();

    /// <summary>Registers a user, whose account opens with 4000 tokens.</summary>
    /// <remarks>
    /// After many registrations from one address in a day, accounts open with fewer tokens, and then there are no more
    /// registrations. Where registration needs an invitation, an administrator gives it.
    /// </remarks>
    internal static async Task<Results<Created<RegisterResponse>, ProblemHttpResult>> Register(
        RegisterRequest request,
        IOptions<RegistrationOptions> options,
        UserManager<User> users,
        PasswordGuard guard,
        LoginThrottle throttle,
        IdentityDb db,
        IOptions<OpeningOptions> opening,
        AuditLog audit,
        SecurityLog log,
        TimeProvider clock,
        HttpContext http)
    {
        var invitation = await FindAsync(db, request.Invitation, clock);
        if (invitation is null && (request.Invitation is not null || options.Value.Mode is RegistrationMode.Invite))
        {
            return NotInvited();
        }

        if (options.Value.Mode is RegistrationMode.Closed)
        {
            return Closed();
        }

        if (User.IsNameAsPassword(request.Username!, request.Password!))
        {
            return TypedResults.Problem(User.PasswordIsNameRule, statusCode: StatusCodes.Status400BadRequest);
        }

        // Before hashing, which is slow on purpose: whoever cannot register must not keep others from logging in.
        if (await users.FindByNameAsync(request.Username!) is not null)
        {
            return TypedResults.Problem(NameTaken, statusCode: StatusCodes.Status409Conflict);
        }

        var (source, day) = (throttle.Attempt("", http.Connection.RemoteIpAddress).Source, clock.UtcDay());
        if (invitation is null && await db.Registrations.AnyAsync(count => count.Source == source
            && count.Day == day && count.Users >= options.Value.PerAddressAndDay))
        {
            return TooMany(clock, http);
        }

        var user = new User { UserName = request.Username };
        user.PasswordHash = await guard.HashForRegistrationAsync(user, request.Password!, http);
        if (user.PasswordHash is null)
        {
            return PasswordVerdict.RefuseBusy(http.Response);
        }

        var isTriedAgain = false;
        try
        {
            return await db.Database.CreateExecutionStrategy().ExecuteAsync(AddAsync);
        }
        catch (DbUpdateException refused) when (IsNameTaken(refused))
        {
            // Two registered the same name at once; the unique index let one through.
            return TypedResults.Problem(NameTaken, statusCode: StatusCodes.Status409Conflict);
        }

        async Task<Results<Created<RegisterResponse>, ProblemHttpResult>> AddAsync()
        {
            db.ChangeTracker.Clear();
            if (isTriedAgain && await users.FindByNameAsync(user.UserName!) is { } there
                && there.PasswordHash == user.PasswordHash)
            {
                return Done(); // An attempt before was committed, and its answer lost.
            }

            isTriedAgain = true;
            await using var together = await db.Database.BeginTransactionAsync();
            var credits = invitation is null
                ? await CountAsync(db, source, day, opening.Value.Credits, options.Value)
                : opening.Value.Credits;
            if (credits is null)
            {
                return TooMany(clock, http);
            }

            user.OpeningCredits = credits.Value;
            if (await users.CreateAsync(user) is { Succeeded: false } result)
            {
                return TypedResults.Problem(
                    string.Join(' ', result.Errors.Select(error => error.Description)),
                    statusCode: result.Errors.Any(error => error.Code == nameof(users.ErrorDescriber.DuplicateUserName))
                        ? StatusCodes.Status409Conflict
                        : StatusCodes.Status400BadRequest);
            }

            if (invitation is not null && await Open(db, clock).Where(one => one.Id == invitation.Id)
                .ExecuteUpdateAsync(set => set.SetProperty(one => one.UsedBy, user.Id)) == 0)
            {
                return NotInvited(); // Another has used it in this moment.
            }

            await audit.AddAsync("user_registered", user.Id, invitation is null ? null : $"invitation {invitation.Id}");
            await together.CommitAsync();
            log.Registered(user.Id);
            return Done();
        }

        static Created<RegisterResponse> Done() =>
            TypedResults.Created((string?)null, new RegisterResponse("User registered successfully"));
    }

    /// <summary>The invitations that can be used.</summary>
    internal static IQueryable<Invitation> Open(IdentityDb db, TimeProvider clock)
    {
        var now = clock.GetUtcNow();
        return db.Invitations.AsNoTracking().Where(one => one.UsedBy == null && one.ExpiresAt > now);
    }

    private static async Task<Invitation?> FindAsync(IdentityDb db, string? code, TimeProvider clock)
    {
        if (code is null)
        {
            return null;
        }

        var hash = ApiKeys.Hash(code);
        return await Open(db, clock).SingleOrDefaultAsync(one => one.Hash == hash);
    }

    /// <summary>Counts a user for an address. The row is locked until the end of the transaction.</summary>
    /// <returns>The credits that the user begins with; null when no more may register.</returns>
    private static async Task<long?> CountAsync(
        IdentityDb db, Guid source, DateOnly day, long credits, RegistrationOptions options)
    {
        var given = await db.Database.SqlQuery<long>($"""
            INSERT INTO registrations AS r (source, day, users, credits) VALUES ({source}, {day}, 1, 0)
            ON CONFLICT (source, day) DO UPDATE SET users = r.users + 1 WHERE r.users < {options.PerAddressAndDay}
            RETURNING credits AS "Value"
            """).ToListAsync();
        if (given is not [var before])
        {
            return null;
        }

        var rest = Math.Clamp(options.CreditsPerAddressAndDay - before, 0, credits);
        await db.Database.ExecuteSqlAsync(
            $"UPDATE registrations SET credits = credits + {rest} WHERE source = {source} AND day = {day}");
        return rest;
    }

    private static bool IsNameTaken(DbUpdateException refused) => refused.InnerException is PostgresException
    {
        SqlState: PostgresErrorCodes.UniqueViolation,
        ConstraintName: User.UniqueNameIndex,
    };

    private static ProblemHttpResult Closed() => Problems.Refusal(
        StatusCodes.Status403Forbidden, "registration_closed", "Nobody can register here at the moment.");

    private static ProblemHttpResult NotInvited() => Problems.Refusal(
        StatusCodes.Status403Forbidden, "invitation_required",
        "Send an 'invitation' that is good: each serves once, and for some days. An administrator makes them.");

    private static ProblemHttpResult TooMany(TimeProvider clock, HttpContext http)
    {
        var now = clock.GetUtcNow().UtcDateTime;
        var wait = Math.Ceiling((now.Date.AddDays(1) - now).TotalSeconds);
        http.Response.Headers.RetryAfter = wait.ToString(CultureInfo.InvariantCulture);
        return TooMany();
    }

    private static ProblemHttpResult TooMany() => Problems.Refusal(
        StatusCodes.Status429TooManyRequests, "too_many_registrations",
        "Too many users have registered from this address today. Try again after the seconds in Retry-After.");
}

/// <summary>The body of POST /api/register.</summary>
/// <param name="Username">The name, unique without regard to case.</param>
/// <param name="Password">The password; any characters.</param>
/// <param name="Invitation">The code of an invitation, where one is needed.</param>
/// <example>{"username":"alice","password":"correct horse battery"}</example>
public sealed record RegisterRequest(
    [Required(ErrorMessage = "Send a 'username'.")]
    [RegularExpression(User.NamePattern, ErrorMessage = User.NameRule)]
    string? Username,
    [Required(AllowEmptyStrings = true, ErrorMessage = "Send a 'password'."), Password]
    string? Password,
    string? Invitation = null);

/// <summary>The answer to POST /api/register.</summary>
/// <param name="Message">Says that it is done.</param>
/// <example>{"message":"User registered successfully"}</example>
public sealed record RegisterResponse(string Message);
