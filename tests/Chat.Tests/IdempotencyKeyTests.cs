using Microsoft.Extensions.Hosting;

namespace Chat.Tests;

/// <summary>How a key names a transfer.</summary>
public sealed class IdempotencyKeyTests
{
    public static TheoryData<string, bool> Keys() => new()
    {
        { "k", true },
        { "018f0000-0000-7000-8000-000000000001", true },
        { "!~", true },
        { new string('k', 255), true },
        { new string('k', 256), false },
        { "", false },
        { " ", false },
        { "two words", false },
        { "line\nbreak", false },
        { "del\u007f", false },
        { "é", false },
    };

    [Theory]
    [MemberData(nameof(Keys), DisableDiscoveryEnumeration = true)]
    public void Key_OfAnyKind_IsValidOrNot(string key, bool valid) => Assert.Equal(valid, IdempotencyKey.IsValid(key));

    /// <summary>
    /// The expected value is SHA-256 of "42\nchat\nkey-1" with RFC 9562's bits set, computed elsewhere: replicas of two
    /// versions must agree on it.
    /// </summary>
    [Fact]
    public void TransferId_OfAKey_IsTheSameForEver() =>
        Assert.Equal(
            Guid.Parse("0a262856-099a-8ebd-893e-5e06c5526e05"), IdempotencyKey.ToTransferId(42, "chat", "key-1"));

    [Theory]
    [InlineData(43, "chat", "key-1")]
    [InlineData(42, "deduct", "key-1")]
    [InlineData(42, "chat", "key-2")]
    [InlineData(42, "chat", "KEY-1")]
    [InlineData(4, "2chat", "key-1")]
    public void TransferId_OfAnotherUserOperationOrKey_IsAnother(long user, string operation, string key)
    {
        var id = IdempotencyKey.ToTransferId(user, operation, key);
        Assert.NotEqual(IdempotencyKey.ToTransferId(42, "chat", "key-1"), id);
        Assert.Equal((8, '8'), (id.Version, id.ToString()[14]));
    }

    [Fact]
    public void TransferId_WithoutAKey_IsNewEachTime()
    {
        var id = IdempotencyKey.ToTransferId(42, "chat", key: null);
        Assert.Equal(7, id.Version);
        Assert.NotEqual(id, IdempotencyKey.ToTransferId(42, "chat", key: null));
    }
}
