using Microsoft.AspNetCore.Identity;

namespace Identity.Service;

/// <summary>Registers what passwords need.</summary>
internal static class PasswordExtensions
{
    /// <summary>Adds hashing, its gate, and the throttle of failed logins.</summary>
    public static void AddPasswords(this IHostApplicationBuilder builder)
    {
        builder.AddLoginOptions();
        builder.AddClientAddress();
        builder.Services.AddOptions<PasswordHasherOptions>().Configure<AuthOptions>(
            (options, auth) => options.IterationCount = auth.PasswordIterations);
        builder.Services.AddSingleton<EqualWorkHasher>();
        builder.Services.AddSingleton<IPasswordHasher<User>>(
            services => services.GetRequiredService<EqualWorkHasher>());
        builder.Services.AddSingleton<ILookupNormalizer, UpperInvariantLookupNormalizer>();
        builder.Services.AddSingleton<HashGate>();
        builder.Services.AddSingleton<LoginThrottle>();
        builder.Services.AddScoped<PasswordGuard>();
    }
}
