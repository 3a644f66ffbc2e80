using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace Identity.Service;

/// <summary>The section <c>Admin</c>: the user who is there from the start. Without it there is none.</summary>
public sealed class AdminOptions
{
    /// <summary>The name, by the rule of registration.</summary>
    public string Username { get; set; } = "";

    /// <summary>The first password, by the rule of registration. It counts only when the user is created.</summary>
    public string Password { get; set; } = "";
}

/// <summary>The first user with the role <see cref="Tokens.AdminRole"/>, which registration never gives.</summary>
internal sealed class BootstrapAdmin(
    IOptions<AdminOptions> options,
    IOptions<OpeningOptions> opening,
    UserManager<User> users,
    RoleManager<IdentityRole<long>> roles,
    IdentityDb db,
    AuditLog audit,
    SecurityLog log)
{
    /// <summary>
    /// Creates the user with the role, if there is none of that name. A user who exists is given nothing, neither the
    /// password, which may have been changed since, nor the role, which may have been taken away, or never been theirs.
    /// The caller holds the lock.
    /// </summary>
    public async Task EnsureAsync()
    {
        if (string.IsNullOrEmpty(options.Value.Username))
        {
            return;
        }

        if (await users.FindByNameAsync(options.Value.Username) is { } existing)
        {
            if (!await users.IsInRoleAsync(existing, Tokens.AdminRole))
            {
                log.AdminNameTaken(existing.Id);
            }

            return;
        }

        // Together or not at all: a start may be killed at any moment.
        await db.Database.CreateExecutionStrategy().ExecuteAsync(async () =>
        {
            db.ChangeTracker.Clear(); // Of an attempt before.
            await using var together = await db.Database.BeginTransactionAsync();
            if (!await roles.RoleExistsAsync(Tokens.AdminRole))
            {
                Check(await roles.CreateAsync(new(Tokens.AdminRole)));
            }

            var user = new User { UserName = options.Value.Username, OpeningCredits = opening.Value.Credits };
            Check(await users.CreateAsync(user, PasswordAttribute.OneForm(options.Value.Password)));
            Check(await users.AddToRoleAsync(user, Tokens.AdminRole));
            await audit.AddAsync("admin_appointed", user.Id, "by configuration");
            await together.CommitAsync();
            log.AdminAppointed(user.Id);
        });
    }

    private static void Check(IdentityResult result)
    {
        if (!result.Succeeded)
        {
            throw new InvalidOperationException(
                $"The admin cannot be set up: {string.Join(' ', result.Errors.Select(error => error.Description))}");
        }
    }
}

/// <summary>Registers the first admin.</summary>
internal static class BootstrapAdminExtensions
{
    /// <summary>Adds <see cref="BootstrapAdmin"/>; one who could not register stops the service at start.</summary>
    public static void AddBootstrapAdmin(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<AdminOptions>().BindConfiguration("Admin").ValidateOnStart()
            .Validate(
                admin => string.IsNullOrEmpty(admin.Username) == string.IsNullOrEmpty(admin.Password),
                "Admin:Username and Admin:Password belong together: set both, or neither for no admin.")
            .Validate(
                admin => string.IsNullOrEmpty(admin.Username) || User.IsName(admin.Username),
                $"Admin:Username does not fit. {User.NameRule}")
            .Validate(
                admin => string.IsNullOrEmpty(admin.Password) || PasswordAttribute.Fits(admin.Password),
                $"Admin:Password does not fit. {User.PasswordRule}")
            .Validate(
                admin => string.IsNullOrEmpty(admin.Password)
                    || !User.IsNameAsPassword(admin.Username, admin.Password),
                "Admin:Password is the username. Choose another.");
        builder.Services.AddScoped<BootstrapAdmin>();
    }
}
