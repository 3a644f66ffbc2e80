namespace Identity.Service;

/// <summary>What a key is for.</summary>
public enum KeyUse
{
    /// <summary>RSA: signs access tokens. Its public half is published at /.well-known/jwks.</summary>
    Signing = 1,

    /// <summary>Symmetric: encrypts what OpenIddict stores for a refresh token.</summary>
    Encryption = 2,
}

/// <summary>
/// A key of all replicas, a row of <c>signing_keys</c>. <see cref="KeySchedule"/> says when it does what.
/// </summary>
public sealed class SigningKey
{
    /// <summary>Counts up with age: the highest is the newest.</summary>
    public long Id { get; init; }

    /// <summary>What it is for.</summary>
    public KeyUse Use { get; init; }

    /// <summary>The key, protected by data protection: PKCS #8 when signing, raw bytes when encryption.</summary>
    public required byte[] ProtectedKey { get; init; }

    /// <summary>When it was made, and from when on it is published.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>From when on it signs (or encrypts), until the next one does.</summary>
    public DateTimeOffset SignsFrom { get; init; }
}
