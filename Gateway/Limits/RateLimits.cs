using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Claims;
using Gateway.Edge;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Options;
using Yarp.ReverseProxy.Model;

namespace Gateway.Limits;

/// <summary>
/// Holds callers to the limits that routes name in their metadata, users by their number, and others by their address.
/// Each answer says what is left (draft-ietf-httpapi-ratelimit-headers).
/// </summary>
/// <param name="options">The limits.</param>
/// <param name="counts">The shared counts.</param>
/// <param name="clock">The time.</param>
internal sealed class RateLimits(IOptions<LimitSettings> options, SharedCounts counts, TimeProvider clock)
{
    /// <summary>The name under which routes name their limit.</summary>
    public const string MetadataName = "Limit";

    /// <summary>The limit of keys that turn out not to be any.</summary>
    public const string WrongKey = "wrong-key";

    /// <summary>The limit of requests that need a token and have none that is good.</summary>
    public const string Unauthorized = "unauthorized";

    private const int NetworkBytes = 7; // The 56 bits of an IPv6 address that a household gets (RFC 6177).

    private readonly bool _isOn = options.Value.Enabled;
    private readonly Dictionary<string, RateLimiter> _limiters = options.Value.ByName().ToDictionary(
        limit => limit.Key, limit => new RateLimiter(limit.Key, limit.Value, counts, clock));

    /// <summary>Counts a request.</summary>
    /// <param name="context">The request, of a caller who may send it.</param>
    /// <returns>Whether it may go on. If not, it is answered.</returns>
    public async ValueTask<bool> TakeAsync(HttpContext context)
    {
        if (!_isOn || LimitOf(context) is not { } name)
        {
            return true;
        }

        // Calls that need no token are counted by address, whoever has one.
        if (context.GetEndpoint()!.Metadata.GetMetadata<IAllowAnonymous>() is not null)
        {
            return await AnswerAsync(context, await _limiters[name].TakeAsync(AddressOf(context)));
        }

        var user = context.User.FindFirstValue("sub")!;
        if (context.User.GetApiKey() is not { } key)
        {
            return await AnswerAsync(context, await _limiters[name].TakeAsync(user));
        }

        // The key's first: what it may not send does not count for its user.
        var ofKey = await _limiters[$"{name}-by-key"].TakeAsync(key.Id.ToString(CultureInfo.InvariantCulture));
        return ofKey.IsGranted
            ? await AnswerAsync(context, ofKey, await _limiters[name].TakeAsync(user))
            : await AnswerAsync(context, ofKey);
    }

    /// <summary>Asks for the token of a key, which counts if it turns out not to be one.</summary>
    /// <param name="address">Where it comes from.</param>
    /// <param name="ask">Asks.</param>
    /// <returns>The token, or null.</returns>
    /// <exception cref="TooManyRequestsException">Too many were none.</exception>
    public async Task<string?> AskAsync(string address, Func<Task<string?>> ask)
    {
        if (!_isOn)
        {
            return await ask();
        }

        var permit = await _limiters[WrongKey].TakeAsync(address);
        if (!permit.IsGranted)
        {
            throw new TooManyRequestsException(permit);
        }

        var isNone = false;
        try
        {
            var token = await ask();
            isNone = token is null;
            return token;
        }
        finally
        {
            if (!isNone)
            {
                RateLimiter.GiveBack(permit); // Also when nobody could say.
            }
        }
    }

    /// <summary>Counts a request that needs a token and has none that is good.</summary>
    /// <returns>Whether it may go on, to its 401. If not, it is answered.</returns>
    public async ValueTask<bool> TakeUnauthorizedAsync(HttpContext context) => !_isOn
        || context.User.Identity?.IsAuthenticated is true
        || context.GetEndpoint()?.Metadata.GetMetadata<IAuthorizeData>() is null
        || context.GetEndpoint()!.Metadata.GetMetadata<IAllowAnonymous>() is not null
        || await AnswerAsync(context, await _limiters[Unauthorized].TakeAsync(AddressOf(context)));

    private static string? LimitOf(HttpContext context) => context.GetEndpoint()?.Metadata
        .GetMetadata<RouteModel>()?.Config.Metadata?.GetValueOrDefault(MetadataName);

    /// <summary>Says in the headers what is left, and refuses the request if a permit is not granted.</summary>
    /// <returns>Whether it may go on.</returns>
    public static async ValueTask<bool> AnswerAsync(HttpContext context, params Permit[] permits)
    {
        var headers = context.Response.Headers;
        headers["RateLimit-Policy"] = string.Join(", ", permits.Select(permit => permit.Limiter.Policy));
        headers["RateLimit"] = string.Join(", ", permits);
        var refused = permits.FirstOrDefault(permit => !permit.IsGranted);
        if (refused.Limiter is null)
        {
            return true;
        }

        headers.RetryAfter = refused.Seconds.ToString(CultureInfo.InvariantCulture);
        await Problems.TooManyRequests(refused.Seconds).ExecuteAsync(context);
        return false;
    }

    /// <summary>What a caller without a token is counted by.</summary>
    public static string AddressOf(HttpContext context)
    {
        var address = context.Connection.RemoteIpAddress ?? IPAddress.None;
        if (address.IsIPv4MappedToIPv6)
        {
            address = address.MapToIPv4();
        }

        if (address.AddressFamily is not AddressFamily.InterNetworkV6)
        {
            return address.ToString();
        }

        var bytes = address.GetAddressBytes();
        Array.Clear(bytes, NetworkBytes, bytes.Length - NetworkBytes);
        return $"{new IPAddress(bytes)}/56";
    }
}

/// <summary>More was asked for than is allowed.</summary>
/// <param name="permit">What was refused.</param>
internal sealed class TooManyRequestsException(Permit permit) : Exception($"The limit {permit} is reached.")
{
    /// <summary>Gets what was refused.</summary>
    public Permit Permit => permit;
}

/// <summary>Registers the limits.</summary>
internal static class RateLimitsExtensions
{
    /// <summary>
    /// Adds the limits, and what counts for all replicas. A route with an unknown limit stops the start.
    /// </summary>
    public static void AddRateLimits(this IHostApplicationBuilder builder)
    {
        var routes = builder.Configuration.GetSection("ReverseProxy:Routes").GetChildren()
            .Select(route => (Route: route.Key, Limit: route[$"Metadata:{RateLimits.MetadataName}"])).ToList();
        builder.AddSettings<LimitSettings>("Limits")
            .Validate(
                limits => routes.All(route => route.Limit is null || limits.ByName().ContainsKey(route.Limit)),
                "A route in 'ReverseProxy:Routes' names a limit in its Metadata that is not there.");
        builder.AddSharedCounts("cache");
        builder.Services.AddSingleton<RateLimits>();
    }

    /// <summary>
    /// Counts requests that authorization will refuse: each has cost a look at its token. Goes before authorization.
    /// </summary>
    public static void UseUnauthorizedLimit(this WebApplication app) =>
        app.UseLimit(app.Services.GetRequiredService<RateLimits>().TakeUnauthorizedAsync);

    /// <summary>Counts requests by the limits of their routes. Goes after authorization.</summary>
    public static void UseRateLimits(this WebApplication app) =>
        app.UseLimit(app.Services.GetRequiredService<RateLimits>().TakeAsync);

    private static void UseLimit(this WebApplication app, Func<HttpContext, ValueTask<bool>> takeAsync) =>
        app.Use(async (context, next) =>
        {
            if (await takeAsync(context))
            {
                await next(context);
            }
        });
}
