using System.Net;
using Identity.Service;
using Microsoft.AspNetCore.Cryptography.KeyDerivation;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Identity.Tests;

/// <summary>Hashes that Django made: which passwords they take, and what they cost.</summary>
public sealed class ImportedPasswordTests(IdentityFixture identity)
{
    private const string Password = "old django password";

    private const string DjangoHashed =
        "pbkdf2_sha256$260000$PJ2LkoUfJdXKoZsnpuM1fg$EAqOYqwXSKozbNGXgJat/OIUVml4rr7jlw+Lj7vEyaI=";

    private const string Sha1Hashed = "pbkdf2_sha1$260000$Ap6tMe2vutM21jYJKDxC4l$1ms7jv8MfqexJGPQBhckcaNYmQo=";

    private const string Other =
        "pbkdf2_sha256$260000$5kwow3kib5u0K355ZIluyk$5eHDwFaZ2tdjfDb1jwOfrMbyOm35xSXuT+JGgL+QbAc=";

    /// <summary>Of a password whose accents came as marks of their own.</summary>
    private const string Decomposed = "pbkdf2_sha256$1000$salt$21Dm/SFeEejPDOm59oaeQwBitA6X8YaAU3234w2oPOo=";

    [Theory]
    [InlineData(Decomposed, "cr\u00e8me br\u00fbl\u00e9e", PasswordVerificationResult.SuccessRehashNeeded)]
    [InlineData(Decomposed, "cre\u0300me bru\u0302le\u0301e", PasswordVerificationResult.SuccessRehashNeeded)]
    [InlineData(Decomposed, "creme brulee", PasswordVerificationResult.Failed)]
    [InlineData(Other, "geheim a\u0308o\u0308u\u0308 😀", PasswordVerificationResult.SuccessRehashNeeded)]
    [InlineData(DjangoHashed, Password, PasswordVerificationResult.SuccessRehashNeeded)]
    [InlineData(DjangoHashed, "Old django password", PasswordVerificationResult.Failed)]
    [InlineData(DjangoHashed, "", PasswordVerificationResult.Failed)]
    [InlineData(Other, "geheim äöü 😀", PasswordVerificationResult.SuccessRehashNeeded)]
    [InlineData(Other, Password, PasswordVerificationResult.Failed)]
    [InlineData(Sha1Hashed, "sha1 pass", PasswordVerificationResult.Failed)]
    [InlineData(User.NoPassword, User.NoPassword, PasswordVerificationResult.Failed)]
    [InlineData("", "", PasswordVerificationResult.Failed)]
    public void Password_AgainstAHash_IsRightOnlyIfDjangoSaysSo(
        string hash, string password, PasswordVerificationResult expected)
    {
        using var hasher = Measured.With(10_000);
        Assert.Equal(expected, hasher.Verify(hash, password));
    }

    [Theory]
    [InlineData("pbkdf2_sha256$0$salt$EAqOYqwXSKozbNGXgJat/OIUVml4rr7jlw+Lj7vEyaI=")]
    [InlineData("pbkdf2_sha256$-1$salt$EAqOYqwXSKozbNGXgJat/OIUVml4rr7jlw+Lj7vEyaI=")]
    [InlineData("pbkdf2_sha256$10000001$salt$EAqOYqwXSKozbNGXgJat/OIUVml4rr7jlw+Lj7vEyaI=")]
    [InlineData("pbkdf2_sha256$1$$EAqOYqwXSKozbNGXgJat/OIUVml4rr7jlw+Lj7vEyaI=")]
    [InlineData("pbkdf2_sha256$1$salt$EAqOYqwXSKozbNGXgJat")]
    [InlineData("pbkdf2_sha256$1$salt$")]
    [InlineData("pbkdf2_sha256$1$salt$not base64")]
    [InlineData("pbkdf2_sha256$1$salt")]
    [InlineData("bcrypt_sha256$$2b$12$x")]
    public void Hash_ThatIsNotWholeOrTooDear_IsNone(string hash) => Assert.Null(DjangoHash.Parse(hash));

    [Fact]
    public void WrongPassword_ForAnImportedHash_CostsThatHashAndNobodyElseMore()
    {
        using var native = Measured.With(10_000);
        using var hasher = Measured.With(25_000);
        Assert.Equal((0, 260_000), hasher.CostOfAWrongPassword(DjangoHashed));
        foreach (var hash in new[]
        {
            hasher.Nobody.PasswordHash!, native.HashPassword(new User(), IdentityApi.Password),
            hasher.HashPassword(new User(), IdentityApi.Password), User.NoPassword, Sha1Hashed,
        })
        {
            Assert.Equal((25_000, 0), hasher.CostOfAWrongPassword(hash));
        }
    }

    [Fact]
    public async Task Logins_OfImportedAndUnknownNames_AreAnsweredAlikeAndTheFirstReplacesTheHash()
    {
        var connectionString = await identity.CreateDatabaseAsync();
        var hasher = new CountingHasher();
        await using var service = new IdentityServer(connectionString, change: hasher.Use);
        await service.StartAsync();
        using var client = service.CreateClientAt(IdentityApi.NewAddress());
        var native = await client.NewNameAsync();
        await using var database = NpgsqlDataSource.Create(connectionString);
        await using var insert = database.CreateCommand($"""
            INSERT INTO users (user_name, normalized_user_name, password_hash)
            VALUES ('imported', 'IMPORTED', '{DjangoHashed}'), ('without', 'WITHOUT', '{User.NoPassword}')
            """);
        await insert.ExecuteNonQueryAsync(TestContext.Current.CancellationToken).Soon();

        foreach (var name in new[] { IdentityApi.NewName(), native, "without", "imported" })
        {
            var before = hasher.Computed;
            using var response = await client.TryLogInAsync(name);
            Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
            Assert.Equal(1, hasher.Computed - before);
        }

        // The right one is hashed anew in the same turn, like one whose figure has risen.
        await client.LogInAsync("imported", Password);
        Assert.Equal(1, hasher.MostAtOnce);
        await using var read = database.CreateCommand("SELECT password_hash FROM users WHERE user_name = 'imported'");
        var replaced = await read.ExecuteScalarAsync(TestContext.Current.CancellationToken).Soon();
        Assert.Equal(10_000, EqualWorkHasher.Iterations((string)replaced!));
        await client.LogInAsync("imported", Password);
        Assert.Equal(replaced, await read.ExecuteScalarAsync(TestContext.Current.CancellationToken).Soon());
    }

    /// <summary>Counts the work by function. That of ASP.NET Core's own hashes is what they name.</summary>
    private sealed class Measured : EqualWorkHasher, IDisposable
    {
        private readonly Dictionary<KeyDerivationPrf, int> _work = [];
        private readonly ServiceProvider _services;

        private Measured(int iterations, ServiceProvider services)
            : base(
                Options.Create(new PasswordHasherOptions { IterationCount = iterations }),
                services.GetRequiredService<IdentityMetrics>()) => _services = services;

        public static Measured With(int iterations) => new(iterations, new ServiceCollection()
            .AddMetrics().AddSingleton<IdentityMetrics>().BuildServiceProvider());

        public PasswordVerificationResult Verify(string hash, string password) =>
            VerifyHashedPassword(new User(), hash, password);

        public (int Sha512, int Sha256) CostOfAWrongPassword(string hash)
        {
            _work.Clear();
            Assert.Equal(PasswordVerificationResult.Failed, Verify(hash, "a wrong password"));
            return (
                Iterations(hash) + _work.GetValueOrDefault(KeyDerivationPrf.HMACSHA512),
                _work.GetValueOrDefault(KeyDerivationPrf.HMACSHA256));
        }

        public void Dispose() => _services.Dispose();

        protected override byte[] Derive(KeyDerivationPrf function, string password, byte[] salt, int iterations)
        {
            _work[function] = _work.GetValueOrDefault(function) + iterations;
            return base.Derive(function, password, salt, iterations);
        }
    }
}
