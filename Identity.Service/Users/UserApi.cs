using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Npgsql;

namespace Identity.Service;

/// <summary>Registration.</summary>
internal static class UserApi
{
    private const string NameTaken = "This username is taken. Choose another.";

    /// <summary>Maps POST /api/register.</summary>
    /// <param name="routes">The service.</param>
    public static void MapUsers(this IEndpointRouteBuilder routes) => routes.MapPost("/api/register", Register)
        .WithTags("Account").Refuses(TypedResults.Problem(NameTaken, statusCode: StatusCodes.Status409Conflict));

    /// <summary>Adds users with hashed passwords, and their roles. No cookies.</summary>
    /// <param name="builder">The service's builder.</param>
    public static void AddUsers(this IHostApplicationBuilder builder)
    {
        // RegisterRequest checks names and passwords, with sentences.
        builder.Services.AddIdentityCore<User>(options => options.User.AllowedUserNameCharacters = "")
            .AddRoles<IdentityRole<long>>()
            .AddEntityFrameworkStores<IdentityDb>();
        builder.Services.RemoveAll<IPasswordValidator<User>>();
        builder.AddOpening();
        builder.Services.AddSingleton<SecurityLog>();
        builder.Services.AddSingleton<IdentityMetrics>();
        builder.AddPasswords();
        builder.AddDepartures();
    }

    /// <summary>Registers a user, who then has 4000 tokens.</summary>
    internal static async Task<Results<Created<RegisterResponse>, ProblemHttpResult>> Register(
        RegisterRequest request,
        UserManager<User> users,
        PasswordGuard guard,
        SecurityLog log,
        HttpContext http)
    {
        if (User.IsNameAsPassword(request.Username!, request.Password!))
        {
            return TypedResults.Problem(User.PasswordIsNameRule, statusCode: StatusCodes.Status400BadRequest);
        }

        var user = new User { UserName = request.Username };
        user.PasswordHash = await guard.HashAsync(user, request.Password!, http);
        if (user.PasswordHash is null)
        {
            return PasswordVerdict.RefuseBusy(http.Response);
        }

        IdentityResult result;
        try
        {
            result = await users.CreateAsync(user);
        }
        catch (DbUpdateException refused) when (IsNameTaken(refused))
        {
            // Two registered the same name at once; the unique index let one through.
            result = IdentityResult.Failed(users.ErrorDescriber.DuplicateUserName(request.Username!));
        }

        if (result.Succeeded)
        {
            log.Registered(user.Id);
            return TypedResults.Created((string?)null, new RegisterResponse("User registered successfully"));
        }

        return result.Errors.Any(error => error.Code == nameof(IdentityErrorDescriber.DuplicateUserName))
            ? TypedResults.Problem(NameTaken, statusCode: StatusCodes.Status409Conflict)
            : TypedResults.Problem(
                string.Join(' ', result.Errors.Select(error => error.Description)),
                statusCode: StatusCodes.Status400BadRequest);
    }

    private static bool IsNameTaken(DbUpdateException refused) => refused.InnerException is PostgresException
    {
        SqlState: PostgresErrorCodes.UniqueViolation,
        ConstraintName: User.UniqueNameIndex,
    };
}
