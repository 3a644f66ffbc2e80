using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Identity.Tests;

/// <summary>
/// Forged and broken tokens, at a service with the defaults of all: each is 401 (RFC 8725; RFC 9068, 4).
/// </summary>
public sealed class ForgedTokenTests(IdentityFixture identity, ForgedTokenTests.Fixture service)
    : IClassFixture<ForgedTokenTests.Fixture>
{
    private const int MaxHeader = 16 * 1024;

    private readonly HttpClient _client = identity.Lenient.CreateClient();

    /// <summary>What is done to a good token, by name.</summary>
    private static readonly Dictionary<string, Func<Forge, string>> Forgeries = new()
    {
        ["alg none"] = forge => Unsigned(forge, "none", signature: ""),
        ["alg none in another case"] = forge => Unsigned(forge, "nOnE", signature: ""),
        ["alg none, with the signature"] = forge => Unsigned(forge, "none", forge.Parts[2]),
        ["no alg"] = forge => forge.Sign(header: header => header.Remove("alg")),
        ["HS256 with the public key in PEM"] = forge => forge.SignWithThePublicKey("PEM"),
        ["HS256 with the public key in PEM and a newline"] = forge => forge.SignWithThePublicKey("PEM and newline"),
        ["HS256 with the public key in DER"] = forge => forge.SignWithThePublicKey("DER"),
        ["HS256 with the public key as PKCS #1"] = forge => forge.SignWithThePublicKey("PKCS #1"),
        ["HS256 with the modulus"] = forge => forge.SignWithThePublicKey("modulus"),
        ["RS512 with the right key"] = forge => forge.Sign(
            "RS512", HashAlgorithmName.SHA512, RSASignaturePadding.Pkcs1),
        ["PS256 with the right key"] = forge => forge.Sign("PS256", HashAlgorithmName.SHA256, RSASignaturePadding.Pss),
        ["another key and the right kid"] = forge => forge.SignWrongly(),
        ["another key and its kid"] = forge => forge.SignWrongly(header => header["kid"] = "wrong"),
        ["another key and no kid"] = forge => forge.SignWrongly(header => header.Remove("kid")),
        ["another key in the header"] = forge => forge.SignWrongly(header =>
        {
            header.Remove("kid");
            header["jwk"] = forge.WrongPublicKey();
        }),
        ["another key set in the header"] = forge => forge.SignWrongly(header =>
        {
            header["kid"] = "wrong";
            header["jku"] = "http://127.0.0.1:1/jwks";
        }),
        ["wrong kid and the right key"] = forge => forge.Sign(header: header => header["kid"] = "../../dev/null"),
        ["no kid and the right key"] = forge => forge.Sign(header: header => header.Remove("kid")),
        ["wrong issuer"] = forge => forge.Sign(claims => claims["iss"] = "http://elsewhere/"),
        ["issuer without its slash"] = forge => forge.Sign(claims => claims["iss"] = "http://identity"),
        ["no issuer"] = forge => forge.Sign(claims => claims.Remove("iss")),
        ["wrong audience"] = forge => forge.Sign(claims => claims["aud"] = "somebody else"),
        ["no audience"] = forge => forge.Sign(claims => claims.Remove("aud")),
        ["expired, by more than clocks may differ"] = forge => forge.Sign(
            claims => claims["exp"] = Forge.InSeconds(-31)),
        ["expired long ago"] = forge => forge.Sign(claims => claims["exp"] = 1),
        ["no expiration"] = forge => forge.Sign(claims => claims.Remove("exp")),
        ["not valid yet, by more than clocks may differ"] = forge => forge.Sign(
            claims => claims["nbf"] = Forge.InSeconds(90)),
        ["not valid for years"] = forge => forge.Sign(claims =>
        {
            claims["nbf"] = Forge.InSeconds(400_000_000);
            claims["exp"] = Forge.InSeconds(500_000_000);
        }),
        ["another user in the payload"] = forge => Altered(forge, claims => claims["sub"] = "1"),
        ["a role in the payload"] = forge => Altered(forge, claims => claims["role"] = "admin"),
        ["another signature"] = forge => string.Join('.', forge.Parts[0], forge.Parts[1], Flipped(forge.Parts[2])),
        ["no signature"] = forge => $"{forge.Parts[0]}.{forge.Parts[1]}.",
        ["two parts"] = forge => $"{forge.Parts[0]}.{forge.Parts[1]}",
        ["another type"] = forge => forge.Sign(header: header => header["typ"] = "JWT"),
        ["no type"] = forge => forge.Sign(header: header => header.Remove("typ")),
        ["a refresh token's type"] = forge => forge.Sign(header: header => header["typ"] = "oi_reft+jwt"),
        ["a refresh token"] = forge => forge.Tokens.Refresh,
        ["nothing"] = _ => "",
        ["nonsense"] = _ => "nonsense",
        ["dots"] = _ => "..",
        ["dots of an encrypted token"] = _ => "....",
        ["text that is not base64"] = _ => "!.!.!",
        ["truncated by one"] = forge => forge.Tokens.Access[..^1],
        ["truncated by half"] = forge => forge.Tokens.Access[..(forge.Tokens.Access.Length / 2)],
        ["twice"] = forge => forge.Tokens.Access + forge.Tokens.Access,
        ["1 MB of a token"] = forge => forge.Sign(claims => claims["name"] = new string('x', 1_000_000)),
        ["1 MB of nonsense"] = _ => new string('x', 1_000_000),
        ["1 MB of dots"] = _ => new string('.', 1_000_000),
    };

    public static TheoryData<string> Names => [.. Forgeries.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Token_ForgedOrBroken_Is401(string name)
    {
        var tokens = await _client.NewUserAsync();
        using var forge = new Forge(identity.Lenient, tokens);
        var forged = Forgeries[name](forge);
        Assert.Equal(HttpStatusCode.Unauthorized, await service.CallAsync(forged));
        if (forged.Length < MaxHeader)
        {
            // Where tokens are made they are checked with the keys at hand.
            using var me = await _client.CallAsync(HttpMethod.Get, "/api/me", forged);
            Assert.Equal(HttpStatusCode.Unauthorized, me.StatusCode);
        }

        // The service still takes the good one, and one that the forge signs without a change.
        Assert.Equal(HttpStatusCode.OK, await service.CallAsync(tokens.Access));
        Assert.Equal(HttpStatusCode.OK, await service.CallAsync(forge.Sign()));
    }

    [Fact]
    public async Task Token_Missing_Is401() =>
        Assert.Equal(HttpStatusCode.Unauthorized, await service.CallAsync(access: null));

    [Fact]
    public async Task Token_OfAMegabyteAtAServiceAsItIs_IsRefusedUnread()
    {
        await using var small = new ResourceServer([_client.BaseAddress!]);
        await small.StartAsync();
        try
        {
            var status = await small.CallAsync(new string('x', 1_000_000));
            Assert.Equal(HttpStatusCode.RequestHeaderFieldsTooLarge, status);
        }
        catch (HttpRequestException)
        {
            // It hung up while the rest was still on its way.
        }

        var tokens = await _client.NewUserAsync();
        Assert.Equal(HttpStatusCode.OK, await small.CallAsync(tokens.Access));
    }

    private static string Unsigned(Forge forge, string algorithm, string signature)
    {
        var header = forge.Header;
        header["alg"] = algorithm;
        return $"{Forge.Content(header, forge.Claims)}.{signature}";
    }

    private static string Altered(Forge forge, Action<JsonObject> change)
    {
        var claims = forge.Claims;
        change(claims);
        return $"{forge.Parts[0]}.{Forge.Encode(claims)}.{forge.Parts[2]}";
    }

    private static string Flipped(string signature) =>
        signature[..10] + (signature[10] == 'A' ? 'B' : 'A') + signature[11..];

    /// <summary>One service for all of them, which takes headers of a megabyte.</summary>
    public sealed class Fixture(IdentityFixture identity) : IAsyncLifetime
    {
        private ResourceServer? _service;

        public async ValueTask InitializeAsync()
        {
            using var client = identity.Lenient.CreateClient();
            _service = new ResourceServer([client.BaseAddress!], takesLargeHeaders: true);
            await _service.StartAsync();
        }

        public Task<HttpStatusCode> CallAsync(string? access) => _service!.CallAsync(access);

        public ValueTask DisposeAsync() => _service?.DisposeAsync() ?? ValueTask.CompletedTask;
    }
}
