using System.ComponentModel.DataAnnotations;
using System.Net;
using Microsoft.Extensions.Options;

namespace Identity.Service;

/// <summary>The section <c>Login</c>: how hard passwords are to guess from afar, and what logins may cost.</summary>
public sealed class LoginOptions : IValidatableObject
{
    private static readonly TimeSpan LongestDelay = TimeSpan.FromHours(1);

    /// <summary>How many password hashes a replica computes at once. The default is half of its cores.</summary>
    [Range(1, 1000, ErrorMessage = "Login:MaxParallelHashes must be from 1 to 1000.")]
    public int MaxParallelHashes { get; set; } = Math.Max(1, Environment.ProcessorCount / 2);

    /// <summary>How many wait for that. What comes beyond is refused with 503.</summary>
    [Range(0, 10_000, ErrorMessage = "Login:MaxQueuedHashes must be from 0 to 10000.")]
    public int MaxQueuedHashes { get; set; } = 64;

    /// <summary>How many of them may be of one address.</summary>
    [Range(1, 10_000, ErrorMessage = "Login:MaxQueuedHashesPerAddress must be from 1 to 10000.")]
    public int MaxQueuedHashesPerAddress { get; set; } = 32;

    /// <summary>How many wrong passwords for one user from one address have no consequence.</summary>
    [Range(1, 1000, ErrorMessage = "Login:FreeFailures must be from 1 to 1000.")]
    public int FreeFailures { get; set; } = 5;

    /// <summary>How many wrong passwords for one user from all addresses together have no consequence.</summary>
    [Range(1, 1000, ErrorMessage = "Login:AccountFreeFailures must be from 1 to 1000.")]
    public int AccountFreeFailures { get; set; } = 50;

    /// <summary>How long the first one beyond that locks; each one more doubles it.</summary>
    public TimeSpan FirstDelay { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest lock of a user at one address.</summary>
    public TimeSpan MaxDelay { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>The longest lock of a user at all addresses, but those where the user has logged in before.</summary>
    public TimeSpan AccountMaxDelay { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>How many wrong passwords an address may send in a minute, for whatever users.</summary>
    [Range(1, 100_000, ErrorMessage = "Login:AddressFailuresPerMinute must be from 1 to 100000.")]
    public int AddressFailuresPerMinute { get; set; } = 60;

    /// <summary>
    /// Networks such as <c>10.0.0.0/8</c> whose <c>X-Forwarded-For</c> is believed: where the gateways are. Without
    /// any, this machine's.
    /// </summary>
    public IList<string> KnownProxies { get; } = [];

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (FirstDelay <= TimeSpan.Zero || FirstDelay > MaxDelay || FirstDelay > AccountMaxDelay)
        {
            yield return new(
                "Login:FirstDelay must be more than zero, and at most Login:MaxDelay and Login:AccountMaxDelay.");
        }

        if (MaxDelay > LongestDelay || AccountMaxDelay > LongestDelay)
        {
            yield return new(
                "Login:MaxDelay and Login:AccountMaxDelay must be at most one hour: nobody is locked out for good.");
        }

        if (KnownProxies.Any(network => !IPNetwork.TryParse(network, out _)))
        {
            yield return new("Login:KnownProxies:0 and so on must be networks such as '10.0.0.0/8' or 'fd00::/8'.");
        }
    }
}

/// <summary>Reads <see cref="LoginOptions"/>.</summary>
internal static class LoginOptionsExtensions
{
    /// <summary>Adds the options, checked at start, also as themselves.</summary>
    public static void AddLoginOptions(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<LoginOptions>().BindConfiguration("Login").ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.AddSingleton(services => services.GetRequiredService<IOptions<LoginOptions>>().Value);
    }
}
