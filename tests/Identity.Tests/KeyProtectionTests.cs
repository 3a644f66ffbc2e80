using System.Net;
using System.Security.Cryptography;
using System.Xml.Linq;
using Identity.Service;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests;

/// <summary>What protects the keys in the database.</summary>
public sealed class KeyProtectionTests(IdentityFixture identity)
{
    private const string Setting = "Auth:KeyProtectionSecret";
    private const string AnotherSecret = "another secret of the tests, as long as the first";

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ring_WithASecret_IsEncrypted()
    {
        await using var scope = identity.Lenient.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IdentityDb>();
        var key = await db.DataProtectionKeys.SingleAsync(CancellationToken).Soon();
        Assert.Contains("KeyRingDecryptor", key.Xml, StringComparison.Ordinal);
        Assert.DoesNotContain("masterKey", key.Xml, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_WithAnotherSecret_EndsWithASentenceAndMakesNoKeys()
    {
        var connectionString = await identity.CreateDatabaseAsync();
        var tokens = await StartAndLogInAsync(connectionString, IdentityServer.KeySecret);
        foreach (var secret in new[] { AnotherSecret, "" })
        {
            var (exitCode, error) = await StartTests.RunAsync(new()
            {
                ["environment"] = "Development",
                ["ConnectionStrings:identitydb"] = connectionString,
                ["Clients:chat:Secret"] = IdentityServer.ChatSecret,
                ["Clients:ledger:Secret"] = IdentityServer.LedgerSecret,
                ["Clients:gateway:Secret"] = IdentityServer.GatewaySecret,
                [Setting] = secret,
            });
            Assert.True(exitCode == 1, $"Exit code {exitCode}: {error}");
            Assert.Contains(Setting, error, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        }

        await AssertStillKnownAsync(connectionString, IdentityServer.KeySecret, tokens, ringKeys: 1);
    }

    [Fact]
    public async Task Ring_FromBeforeThereWasASecret_StaysReadableAndGetsAnEncryptedKey()
    {
        var connectionString = await identity.CreateDatabaseAsync();
        var tokens = await StartAndLogInAsync(connectionString, secret: "");
        await AssertStillKnownAsync(connectionString, IdentityServer.KeySecret, tokens, ringKeys: 2);
        await AssertStillKnownAsync(connectionString, IdentityServer.KeySecret, tokens: null, ringKeys: 2);
    }

    [Fact]
    public void Encryptor_WithItsSecret_GivesBackWhatNobodyElseCanRead()
    {
        var element = new XElement("masterKey", new XElement("value", "the key"));
        var encryptor = new KeyRingEncryptor(IdentityServer.KeySecret);
        var encrypted = encryptor.Encrypt(element).EncryptedElement;
        Assert.DoesNotContain("the key", encrypted.ToString(), StringComparison.Ordinal);
        Assert.NotEqual(encrypted.Value, encryptor.Encrypt(element).EncryptedElement.Value);
        Assert.True(XNode.DeepEquals(element, new KeyRingEncryptor(IdentityServer.KeySecret).Decrypt(encrypted)));
        Assert.ThrowsAny<CryptographicException>(() => new KeyRingEncryptor(AnotherSecret).Decrypt(encrypted));

        var bytes = Convert.FromBase64String(encrypted.Value);
        foreach (var at in new[] { 0, bytes.Length / 2, bytes.Length - 1 })
        {
            var altered = (byte[])bytes.Clone();
            altered[at] ^= 1;
            AssertRefused(altered);
        }

        AssertRefused(bytes[..^1]);
        AssertRefused(bytes[..20]);
        AssertRefused([]);

        void AssertRefused(byte[] stored) => Assert.ThrowsAny<CryptographicException>(
            () => encryptor.Decrypt(new XElement("encryptedKey", Convert.ToBase64String(stored))));
    }

    private static async Task<LoginAnswer> StartAndLogInAsync(string connectionString, string secret)
    {
        await using var service = new IdentityServer(connectionString, new() { [Setting] = secret });
        await service.StartAsync();
        using var client = service.CreateClient();
        return await client.NewUserAsync();
    }

    /// <summary>The keys are the same: the refresh token was encrypted with one of them.</summary>
    private static async Task AssertStillKnownAsync(
        string connectionString, string secret, LoginAnswer? tokens, int ringKeys)
    {
        await using var service = new IdentityServer(connectionString, new() { [Setting] = secret });
        await service.StartAsync();
        using var client = service.CreateClient();
        if (tokens is not null)
        {
            using var refreshed = await client.RefreshAsync(tokens.Refresh);
            var rotated = await refreshed.ReadAsync<LoginAnswer>(HttpStatusCode.OK);
            Assert.Equal(
                Jwt.Read(tokens.Access).Header.GetProperty("kid").GetString(),
                Jwt.Read(rotated.Access).Header.GetProperty("kid").GetString());
        }

        await using var scope = service.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IdentityDb>();
        Assert.Equal(2, await db.SigningKeys.CountAsync(CancellationToken).Soon());
        var ring = await db.DataProtectionKeys.OrderBy(key => key.Id).ToListAsync(CancellationToken).Soon();
        Assert.Equal(ringKeys, ring.Count);
        Assert.Contains("KeyRingDecryptor", ring[^1].Xml, StringComparison.Ordinal);
    }
}
