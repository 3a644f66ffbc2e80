using System.Net;
using Identity.Service;
using Microsoft.AspNetCore.Cryptography.KeyDerivation;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Identity.Tests;

/// <summary>Hashes that Django made: which passwords they take, and that their work gives nobody away.</summary>
public sealed class ImportedPasswordTests(IdentityFixture identity)
{
    private const string Other =
        "pbkdf2_sha256$260000$5kwow3kib5u0K355ZIluyk$5eHDwFaZ2tdjfDb1jwOfrMbyOm35xSXuT+JGgL+QbAc=";

    [Theory]
    [InlineData(DjangoFile.Hash, DjangoFile.Password, PasswordVerificationResult.SuccessRehashNeeded)]
    [InlineData(DjangoFile.Hash, "Old django password", PasswordVerificationResult.Failed)]
    [InlineData(DjangoFile.Hash, "", PasswordVerificationResult.Failed)]
    [InlineData(Other, "geheim äöü 😀", PasswordVerificationResult.SuccessRehashNeeded)]
    [InlineData(Other, DjangoFile.Password, PasswordVerificationResult.Failed)]
    [InlineData(DjangoFile.Sha1Hash, "sha1 pass", PasswordVerificationResult.Failed)]
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
    public void WrongPassword_WhileImportedHashesAreLeft_CostsTheSameForEverybody()
    {
        using var native = Measured.With(10_000);
        using var hasher = Measured.With(25_000);
        var old = native.HashPassword(new User(), IdentityApi.Password);
        var current = hasher.HashPassword(new User(), IdentityApi.Password);
        Assert.Equal((25_000, 0), hasher.CostOfAWrongPassword(hasher.Nobody.PasswordHash!));

        hasher.Imported.Saw(600_000);
        foreach (var hash in new[]
        {
            hasher.Nobody.PasswordHash!, old, current, DjangoFile.Hash, User.NoPassword, DjangoFile.Sha1Hash,
        })
        {
            Assert.Equal((25_000, 600_000), hasher.CostOfAWrongPassword(hash));
        }
    }

    [Fact]
    public void WrongPassword_ForAHashDearerThanAllKnown_MakesAllThatFollowAsDear()
    {
        using var hasher = Measured.With(10_000);
        Assert.Equal((10_000, 260_000), hasher.CostOfAWrongPassword(DjangoFile.Hash));
        Assert.Equal((10_000, 260_000), hasher.CostOfAWrongPassword(hasher.Nobody.PasswordHash!));
    }

    [Fact]
    public async Task DearestHash_InTheDatabase_IsFoundByTheIndexAndGoneAfterTheLastLogin()
    {
        await using var setup = await ImportSetup.StartAsync(identity);
        using var none = new ImportedHashes(setup.Database, TimeProvider.System);
        await none.RefreshAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, none.Dearest);

        setup.File.AddUser("cheap", 1, DjangoFile.Hash.Replace("260000", "1000", StringComparison.Ordinal));
        setup.File.AddUser("dear", 1);
        setup.File.AddUser("without", 1, DjangoFile.NoHash);
        await setup.ImportAsync();
        var clock = new StoppedClock();
        using var some = new ImportedHashes(setup.Database, clock);
        await some.RefreshAsync(TestContext.Current.CancellationToken);
        Assert.Equal(260_000, some.Dearest);
        Assert.Contains("ix_users_imported_iterations", await setup.TextAsync(
            "SELECT indexdef FROM pg_indexes WHERE tablename = 'users' AND indexdef LIKE '%starts_with%'"),
            StringComparison.Ordinal);

        await setup.Client.LogInAsync("dear", DjangoFile.Password);
        await setup.TextAsync("DELETE FROM users WHERE user_name = 'cheap'");
        await some.RefreshAsync(TestContext.Current.CancellationToken);
        Assert.Equal(260_000, some.Dearest);
        clock.Advance(TimeSpan.FromMinutes(1));
        await some.RefreshAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, some.Dearest);
    }

    [Fact]
    public async Task Logins_OfImportedAndUnknownNames_AreAnsweredAndHashedAlike()
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
            VALUES ('imported', 'IMPORTED', '{DjangoFile.Hash}'), ('without', 'WITHOUT', '{User.NoPassword}')
            """);
        await insert.ExecuteNonQueryAsync(TestContext.Current.CancellationToken).Soon();

        var imported = service.Services.GetRequiredService<ImportedHashes>();
        foreach (var name in new[] { IdentityApi.NewName(), native, "without", "imported" })
        {
            var before = hasher.Computed;
            using var response = await client.TryLogInAsync(name);
            Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
            Assert.Equal((1, 260_000), (hasher.Computed - before, imported.Dearest));
        }

        // The right one is hashed anew in the same turn, like one whose figure has risen.
        await client.LogInAsync("imported", DjangoFile.Password);
        Assert.Equal(1, hasher.MostAtOnce);
    }

    /// <summary>Counts the work by function. That of ASP.NET Core's own hashes is what they name.</summary>
    private sealed class Measured : EqualWorkHasher, IDisposable
    {
        private readonly Dictionary<KeyDerivationPrf, int> _work = [];
        private readonly ServiceProvider _services;

        private Measured(int iterations, ServiceProvider services)
            : base(
                Options.Create(new PasswordHasherOptions { IterationCount = iterations }),
                services.GetRequiredService<IdentityMetrics>(),
                services.GetRequiredService<ImportedHashes>()) => _services = services;

        public ImportedHashes Imported => _services.GetRequiredService<ImportedHashes>();

        public static Measured With(int iterations) => new(iterations, new ServiceCollection()
            .AddMetrics().AddSingleton<IdentityMetrics>().AddSingleton<ImportedHashes>()
            .AddSingleton(NpgsqlDataSource.Create("Host=none")).AddSingleton(TimeProvider.System)
            .BuildServiceProvider());

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
