using System.Collections.Concurrent;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Microsoft.Extensions.Hosting;

/// <summary>
/// Remembers which tokens were found good, so that a signature is checked once and not with every request of a caller:
/// that is a tenth of what a request costs the gateway. A token is asked for anew when the keys have been read again,
/// and is none when its time is over: remembering changes no answer. What is not good is not remembered.
/// All callers ask with the same parameters; what they accept besides keys is not part of what is remembered.
/// </summary>
/// <param name="clock">The time.</param>
/// <param name="maxTokens">
/// How many tokens are remembered, about 6 KB each; with one more they are all forgotten.
/// </param>
internal sealed class CheckedTokens(TimeProvider clock, int maxTokens = 4096) : TokenHandler
{
    private readonly JsonWebTokenHandler _check = new() { MapInboundClaims = false };
    private volatile Remembered? _remembered;

    /// <summary>Gets how many tokens are remembered now.</summary>
    internal int Count => _remembered?.Count ?? 0;

    /// <inheritdoc/>
    public override async Task<TokenValidationResult> ValidateTokenAsync(
        string token, TokenValidationParameters validationParameters)
    {
        ArgumentNullException.ThrowIfNull(validationParameters);
        BaseConfiguration keys;
        try
        {
            keys = await validationParameters.ConfigurationManager.GetBaseConfigurationAsync(CancellationToken.None);
        }
        catch (Exception unknown)
        {
            return new() { Exception = unknown };
        }

        var remembered = Of(keys);
        if (remembered.Find(token) is { } known && clock.GetUtcNow() < known.Ends
            && IsKeyAlive(known, validationParameters))
        {
            return known.Result();
        }

        var result = await _check.ValidateTokenAsync(token, validationParameters);
        if (!result.IsValid)
        {
            return result;
        }

        var good = new Good(result, result.SecurityToken.ValidTo + validationParameters.ClockSkew);
        if (!remembered.TryAdd(token, good, maxTokens))
        {
            Interlocked.CompareExchange(ref _remembered, null, remembered); // Unless others have begun anew.
        }

        return good.Result();
    }

    /// <summary>
    /// Identity.Service has the keys at hand, which come and go under one and the same configuration: there the key is
    /// looked up with each token. Elsewhere those that are read anew make all tokens unknown.
    /// </summary>
    private static bool IsKeyAlive(Good known, TokenValidationParameters parameters) =>
        parameters.IssuerSigningKeyResolver is not { } find
        || find(null, known.Token, known.Token.Kid, parameters).Any();

    /// <summary>What is remembered under some keys. Two callers may begin anew at once: of one, all is lost.</summary>
    private Remembered Of(BaseConfiguration keys)
    {
        var remembered = _remembered;
        if (remembered?.Keys != keys)
        {
            _remembered = remembered = new Remembered(keys);
        }

        return remembered;
    }

    /// <summary>The tokens that were found good under some keys.</summary>
    /// <param name="keys">
    /// The keys. Those that are read later are another object, even if they are the same.
    /// </param>
    private sealed class Remembered(BaseConfiguration keys)
    {
        private readonly ConcurrentDictionary<string, Good> _tokens = new(StringComparer.Ordinal);
        private int _count;

        public BaseConfiguration Keys => keys;

        public int Count => _tokens.Count;

        public Good? Find(string token) => _tokens.GetValueOrDefault(token);

        /// <summary>Remembers a token.</summary>
        /// <returns>Whether there was room.</returns>
        public bool TryAdd(string token, Good good, int maxTokens)
        {
            if (Interlocked.Increment(ref _count) > maxTokens)
            {
                return false;
            }

            _tokens[token] = good;
            return true;
        }
    }

    /// <summary>A token that was found good.</summary>
    /// <param name="First">What was found.</param>
    /// <param name="Ends">When it is no longer.</param>
    private sealed record Good(TokenValidationResult First, DateTimeOffset Ends)
    {
        public JsonWebToken Token => (JsonWebToken)First.SecurityToken;

        /// <summary>The same, with claims of its own: a request may add to them.</summary>
        public TokenValidationResult Result() => new()
        {
            IsValid = true,
            SecurityToken = First.SecurityToken,
            ClaimsIdentity = First.ClaimsIdentity.Clone(),
        };
    }
}
