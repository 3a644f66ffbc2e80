using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace Aspire.Dashboard.Access;

/// <summary>A secret that callers send in a header.</summary>
internal sealed class SecretOptions : AuthenticationSchemeOptions
{
    /// <summary>The header. In <c>Authorization</c> the secret follows the word Bearer.</summary>
    public string Header { get; set; } = "Authorization";

    /// <summary>The secret; null lets everybody in.</summary>
    public string? Secret { get; set; }
}

/// <summary>Knows callers by a secret.</summary>
internal sealed class SecretHandler(
    IOptionsMonitor<SecretOptions> options, ILoggerFactory loggers, UrlEncoder encoder)
    : AuthenticationHandler<SecretOptions>(options, loggers, encoder)
{
    private const string Bearer = "Bearer ";

    /// <summary>Whether a text is the secret; takes the same time wherever it differs.</summary>
    public static bool IsSecret(string? said, string secret) =>
        CryptographicOperations.FixedTimeEquals(
            SHA256.HashData(Encoding.UTF8.GetBytes(said ?? "")), SHA256.HashData(Encoding.UTF8.GetBytes(secret)));

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var said = Request.Headers[Options.Header].ToString();
        if (Options.Header == "Authorization" && said.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase))
        {
            said = said[Bearer.Length..];
        }

        if (Options.Secret is not null && said.Length == 0)
        {
            return Task.FromResult(AuthenticateResult.NoResult());
        }

        return Task.FromResult(Options.Secret is null || IsSecret(said, Options.Secret)
            ? AuthenticateResult.Success(new(new(Caller.Named(Scheme.Name)), Scheme.Name))
            : AuthenticateResult.Fail("The secret is another one."));
    }
}

/// <summary>Who has been let in. There is one secret, and so one name; antiforgery needs one.</summary>
internal static class Caller
{
    /// <summary>The caller, known in a way.</summary>
    public static ClaimsIdentity Named(string scheme) => new([new Claim(ClaimTypes.Name, "user")], scheme);
}
