using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Identity.Service;

/// <summary>Registers what users need.</summary>
internal static class UserExtensions
{
    /// <summary>The user of a name, if there is one. What cannot be a name is not looked up.</summary>
    public static Task<User?> FindAsync(this UserManager<User> users, string name) =>
        User.IsName(name) ? users.FindByNameAsync(name) : Task.FromResult<User?>(null);

    /// <summary>Adds users with hashed passwords, and their roles. No cookies.</summary>
    public static void AddUsers(this IHostApplicationBuilder builder)
    {
        // RegisterRequest checks names and passwords, with sentences.
        builder.Services.AddIdentityCore<User>(options => options.User.AllowedUserNameCharacters = "")
            .AddRoles<IdentityRole<long>>()
            .AddEntityFrameworkStores<IdentityDb>();
        builder.Services.RemoveAll<IPasswordValidator<User>>();
        builder.AddRegistration();
        builder.AddOpening();
        builder.Services.AddHttpContextAccessor();
        builder.Services.AddScoped<AuditLog>();
        builder.Services.AddSingleton<SecurityLog>();
        builder.Services.AddSingleton<IdentityMetrics>();
        builder.AddPasswords();
        builder.AddDepartures();
    }
}
