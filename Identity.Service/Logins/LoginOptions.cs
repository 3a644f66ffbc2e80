using System.Net;
using Microsoft.Extensions.Options;

namespace Identity.Service;

/// <summary>The section <c>Login</c>: how hard passwords are to guess from afar, and what logins may cost.</summary>
public sealed class LoginOptions
{
    /// <summary>How many password hashes a replica computes at once. The default is half of its cores.</summary>
    public int MaxParallelHashes { get; set; } = Math.Max(1, Environment.ProcessorCount / 2);

    /// <summary>How many wait for that. What comes beyond is refused with 503.</summary>
    public int MaxQueuedHashes { get; set; } = 64;

    /// <summary>How many of them may be of one address.</summary>
    public int MaxQueuedHashesPerAddress { get; set; } = 32;

    /// <summary>How many wrong passwords for one user from one address have no consequence.</summary>
    public int FreeFailures { get; set; } = 5;

    /// <summary>How many wrong passwords for one user from all addresses together have no consequence.</summary>
    public int AccountFreeFailures { get; set; } = 50;

    /// <summary>How long the first one beyond that locks; each one more doubles it.</summary>
    public TimeSpan FirstDelay { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest lock of a user at one address.</summary>
    public TimeSpan MaxDelay { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>The longest lock of a user at all addresses, but those where the user has logged in before.</summary>
    public TimeSpan AccountMaxDelay { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>How many wrong passwords an address may send in a minute, for whatever users.</summary>
    public int AddressFailuresPerMinute { get; set; } = 60;

    /// <summary>
    /// Networks such as <c>10.0.0.0/8</c> whose <c>X-Forwarded-For</c> is believed: where the gateways are. Without
    /// any, this machine's.
    /// </summary>
    public IList<string> KnownProxies { get; } = [];
}

/// <summary>Reads <see cref="LoginOptions"/> and refuses bad ones before the service starts.</summary>
internal static class LoginOptionsExtensions
{
    private const int MaxHashes = 1000;
    private const int MaxQueue = 10_000;
    private const int MaxFailures = 1000;
    private const int MaxPerMinute = 100_000;
    private static readonly TimeSpan LongestDelay = TimeSpan.FromHours(1);

    /// <summary>Adds the options, checked at start, also as themselves.</summary>
    public static void AddLoginOptions(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<LoginOptions>().BindConfiguration("Login").ValidateOnStart()
            .Validate(
                login => login.MaxParallelHashes is >= 1 and <= MaxHashes,
                "Login:MaxParallelHashes must be from 1 to 1000.")
            .Validate(
                login => login.MaxQueuedHashes is >= 0 and <= MaxQueue,
                "Login:MaxQueuedHashes must be from 0 to 10000.")
            .Validate(
                login => login.MaxQueuedHashesPerAddress is >= 1 and <= MaxQueue,
                "Login:MaxQueuedHashesPerAddress must be from 1 to 10000.")
            .Validate(
                login => login.FreeFailures is >= 1 and <= MaxFailures,
                "Login:FreeFailures must be from 1 to 1000.")
            .Validate(
                login => login.AccountFreeFailures is >= 1 and <= MaxFailures,
                "Login:AccountFreeFailures must be from 1 to 1000.")
            .Validate(
                login => login.FirstDelay > TimeSpan.Zero && login.FirstDelay <= login.MaxDelay
                    && login.FirstDelay <= login.AccountMaxDelay,
                "Login:FirstDelay must be more than zero, and at most Login:MaxDelay and Login:AccountMaxDelay.")
            .Validate(
                login => login.MaxDelay <= LongestDelay,
                "Login:MaxDelay must be at most one hour: nobody is locked out for good.")
            .Validate(
                login => login.AccountMaxDelay <= LongestDelay,
                "Login:AccountMaxDelay must be at most one hour: nobody is locked out for good.")
            .Validate(
                login => login.AddressFailuresPerMinute is >= 1 and <= MaxPerMinute,
                "Login:AddressFailuresPerMinute must be from 1 to 100000.")
            .Validate(
                login => login.KnownProxies.All(network => IPNetwork.TryParse(network, out _)),
                "Login:KnownProxies:0 and so on must be networks such as '10.0.0.0/8' or 'fd00::/8'.");
        builder.Services.AddSingleton(services => services.GetRequiredService<IOptions<LoginOptions>>().Value);
    }
}
