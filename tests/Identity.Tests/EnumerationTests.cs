using System.Net;
using System.Text.Json.Nodes;
using Identity.Service;
using Microsoft.AspNetCore.Cryptography.KeyDerivation;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Identity.Tests;

/// <summary>Neither answers nor work tell which names are known. Times are measured by bench/login-times.sh.</summary>
public sealed class EnumerationTests(IdentityFixture identity)
{
    [Fact]
    public async Task Logins_OfAKnownAndOfUnknownNames_AreTheSameFromTheFirstToTheLocked()
    {
        var hasher = new CountingHasher();
        await using var service = new IdentityServer(
            identity.ConnectionString, clock: new StoppedClock(), change: hasher.Use);
        await service.StartAsync();
        using var registering = service.CreateClient();
        var known = await registering.NewNameAsync();
        var expected = await AnswersAsync(service, hasher, known);
        Assert.Equal(5, expected.Count(answer => answer.Hashes == 1));
        Assert.Equal(3, expected.Count(answer => answer.Hashes == 0 && answer.RetryAfter == 1));
        foreach (var unknown in new[] { IdentityApi.NewName(), $"no name {Guid.NewGuid()}", new string('x', 10_000) })
        {
            Assert.Equal(expected, await AnswersAsync(service, hasher, unknown));
        }
    }

    [Fact]
    public void WrongPassword_ForAnOlderHash_CostsAsMuchAsForANewOne()
    {
        using var services =
            new ServiceCollection().AddMetrics().AddSingleton<IdentityMetrics>().BuildServiceProvider();
        var metrics = services.GetRequiredService<IdentityMetrics>();
        var old = new Measured(10_000, metrics).HashPassword(new User(), IdentityApi.Password);
        var hasher = new Measured(25_000, metrics);
        Assert.Equal(10_000, EqualWorkHasher.Iterations(old));

        var wrong = hasher.VerifyHashedPassword(new User(), old, "a wrong password");
        Assert.Equal((PasswordVerificationResult.Failed, 15_000), (wrong, hasher.Worked));
        var right = hasher.VerifyHashedPassword(new User(), old, IdentityApi.Password);
        Assert.Equal((PasswordVerificationResult.SuccessRehashNeeded, 15_000), (right, hasher.Worked));
        var nobody = hasher.VerifyHashedPassword(hasher.Nobody, hasher.Nobody.PasswordHash!, "a wrong password");
        Assert.Equal((PasswordVerificationResult.Failed, 15_000), (nobody, hasher.Worked));
        Assert.Equal(25_000, EqualWorkHasher.Iterations(hasher.Nobody.PasswordHash!));
    }

    private static async Task<List<Answer>> AnswersAsync(IdentityServer service, CountingHasher hasher, string name)
    {
        using var client = service.CreateClientAt(IdentityApi.NewAddress());
        var answers = new List<Answer>();
        for (var n = 0; n < 8; n++)
        {
            var before = hasher.Computed;
            using var response = await client.TryLogInAsync(name);
            var body = JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;
            body["traceId"] = "";
            answers.Add(new(
                response.StatusCode, body.ToJsonString(), response.Headers.RetryAfter?.Delta?.TotalSeconds,
                hasher.Computed - before));
        }

        return answers;
    }

    private sealed record Answer(HttpStatusCode Status, string Body, double? RetryAfter, int Hashes);

    private sealed class Measured(int iterations, IdentityMetrics metrics)
        : EqualWorkHasher(Options.Create(new PasswordHasherOptions { IterationCount = iterations }), metrics)
    {
        public int Worked { get; private set; }

        protected override byte[] Derive(KeyDerivationPrf function, string password, byte[] salt, int iterations)
        {
            Worked += iterations;
            return base.Derive(function, password, salt, iterations);
        }
    }
}
