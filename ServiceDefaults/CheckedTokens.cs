using Microsoft.Extensions.Caching.Memory;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Microsoft.Extensions.Hosting;

/// <summary>
/// Remembers which tokens were found good, so that a signature is checked once and not with every request of a caller:
/// that is a tenth of what a request costs the gateway. A token is asked for anew when the keys have been read again,
/// and is none when its time is over: remembering changes no answer. What is not good is not remembered.
/// </summary>
/// <param name="clock">The time.</param>
internal sealed class CheckedTokens(TimeProvider clock) : TokenHandler, IDisposable
{
    /// <summary>How many tokens are remembered; about 6 KB each.</summary>
    internal const int MaxTokens = 4096;

    private readonly JsonWebTokenHandler _check = new() { MapInboundClaims = false };
    private readonly MemoryCache _good = new(new MemoryCacheOptions { SizeLimit = MaxTokens });

    /// <summary>Gets how many tokens are remembered now.</summary>
    internal int Count => _good.Count;

    /// <inheritdoc/>
    public override async Task<TokenValidationResult> ValidateTokenAsync(
        string token, TokenValidationParameters validationParameters)
    {
        ArgumentNullException.ThrowIfNull(validationParameters);
        var keys = await validationParameters.ConfigurationManager.GetBaseConfigurationAsync(CancellationToken.None);
        if (_good.TryGetValue(token, out Good? good) && good!.Keys == keys && clock.GetUtcNow() < good.Ends)
        {
            return good.Result();
        }

        var result = await _check.ValidateTokenAsync(token, validationParameters);
        if (result.IsValid)
        {
            good = new(result, keys, result.SecurityToken.ValidTo + validationParameters.ClockSkew);
            _good.Set(token, good, new MemoryCacheEntryOptions { Size = 1, AbsoluteExpiration = good.Ends });
        }

        return result;
    }

    /// <inheritdoc/>
    public void Dispose() => _good.Dispose();

    /// <summary>A token that was found good.</summary>
    /// <param name="First">What was found.</param>
    /// <param name="Keys">
    /// The keys of that time. Those that are read later are another object, even if they are the same.
    /// </param>
    /// <param name="Ends">When it is no longer.</param>
    private sealed record Good(TokenValidationResult First, BaseConfiguration Keys, DateTimeOffset Ends)
    {
        /// <summary>The same, with claims of its own: a request may add to them.</summary>
        public TokenValidationResult Result() => new()
        {
            IsValid = true,
            SecurityToken = First.SecurityToken,
            ClaimsIdentity = First.ClaimsIdentity.Clone(),
        };
    }
}
