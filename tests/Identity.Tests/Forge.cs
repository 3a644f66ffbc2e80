using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Server;

namespace Identity.Tests;

/// <summary>Makes tokens of a real one: with the service's own key, or as somebody who has only its tokens.</summary>
internal sealed class Forge : IDisposable
{
    private readonly RsaSecurityKey _key;
    private readonly RSA _right;
    private readonly RSA _wrong = RSA.Create(2048);

    /// <param name="service">The service, whose key is taken out of it.</param>
    /// <param name="tokens">What it gave a user.</param>
    public Forge(IdentityServer service, LoginAnswer tokens)
    {
        Tokens = tokens;
        _key = (RsaSecurityKey)service.Services.GetRequiredService<IOptionsMonitor<OpenIddictServerOptions>>()
            .CurrentValue.SigningCredentials[0].Key;
        _right = RSA.Create(_key.Parameters);
    }

    public LoginAnswer Tokens { get; }

    public string[] Parts => Tokens.Access.Split('.');

    public JsonObject Header => Node(0);

    public JsonObject Claims => Node(1);

    /// <summary>Signed like a real one, with something changed.</summary>
    public string Sign(Action<JsonObject>? claims = null, Action<JsonObject>? header = null) =>
        Sign(_right, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1, claims, header);

    /// <summary>Signed with the right key in another way.</summary>
    public string Sign(string algorithm, HashAlgorithmName hash, RSASignaturePadding padding) =>
        Sign(_right, hash, padding, claims: null, header => header["alg"] = algorithm);

    /// <summary>Signed with a key of the forger's own.</summary>
    public string SignWrongly(Action<JsonObject>? header = null) =>
        Sign(_wrong, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1, claims: null, header);

    /// <summary>Signed with what everybody knows of the key, as the secret of an HMAC (RFC 8725, 2.1).</summary>
    public string SignWithThePublicKey(string form)
    {
        var secret = form switch
        {
            "PEM" => Encoding.ASCII.GetBytes(_right.ExportSubjectPublicKeyInfoPem()),
            "PEM and newline" => Encoding.ASCII.GetBytes(_right.ExportSubjectPublicKeyInfoPem() + '\n'),
            "DER" => _right.ExportSubjectPublicKeyInfo(),
            "PKCS #1" => _right.ExportRSAPublicKey(),
            "modulus" => _key.Parameters.Modulus!,
            _ => throw new ArgumentOutOfRangeException(nameof(form)),
        };
        var header = Header;
        header["alg"] = "HS256";
        var content = Content(header, Claims);
        return $"{content}.{Base64Url.EncodeToString(HMACSHA256.HashData(secret, Encoding.ASCII.GetBytes(content)))}";
    }

    /// <summary>The forger's own public key, as it may stand in a header (RFC 7515, 4.1.3).</summary>
    public JsonObject WrongPublicKey()
    {
        var key = _wrong.ExportParameters(includePrivateParameters: false);
        return new()
        {
            ["kty"] = "RSA",
            ["n"] = Base64Url.EncodeToString(key.Modulus),
            ["e"] = Base64Url.EncodeToString(key.Exponent),
        };
    }

    public static string Encode(JsonNode node) => Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(node));

    public static string Content(JsonObject header, JsonObject claims) => $"{Encode(header)}.{Encode(claims)}";

    public static long InSeconds(int seconds) => DateTimeOffset.UtcNow.AddSeconds(seconds).ToUnixTimeSeconds();

    public void Dispose()
    {
        _right.Dispose();
        _wrong.Dispose();
    }

    private string Sign(
        RSA key,
        HashAlgorithmName hash,
        RSASignaturePadding padding,
        Action<JsonObject>? claims,
        Action<JsonObject>? header)
    {
        var (changedHeader, changedClaims) = (Header, Claims);
        header?.Invoke(changedHeader);
        claims?.Invoke(changedClaims);
        var content = Content(changedHeader, changedClaims);
        var signature = key.SignData(Encoding.ASCII.GetBytes(content), hash, padding);
        return $"{content}.{Base64Url.EncodeToString(signature)}";
    }

    private JsonObject Node(int part) => JsonNode.Parse(Base64Url.DecodeFromChars(Parts[part]))!.AsObject();
}
