using System.Net;
using System.Text;
using Identity.Service;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests;

/// <summary>Which passwords are taken, and how they are kept.</summary>
public sealed class PasswordTests(IdentityFixture identity)
{
    private readonly HttpClient _client = identity.Lenient.CreateClientAt(IdentityApi.NewAddress());

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("password")]
    [InlineData("PASSWORD")]
    [InlineData("12345678")]
    [InlineData("qwertyuiop")]
    [InlineData("Trustno1")]
    public async Task Registration_WithACommonPassword_Is400WithTheReason(string password)
    {
        using var response = await _client.RegisterAsync(IdentityApi.NewName(), password);
        Assert.Contains("common", await response.ProblemAsync(HttpStatusCode.BadRequest), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Registration_WithTheNameAsPassword_Is400()
    {
        var name = IdentityApi.NewName();
        using var response = await _client.RegisterAsync(name, name.ToUpperInvariant());
        await response.ProblemAsync(HttpStatusCode.BadRequest);
    }

    /// <summary>Keyboards send é as one character or as two: it is one password all the same.</summary>
    [Fact]
    public async Task Password_ComposedAndDecomposed_IsOneEverywhere()
    {
        var composed = "crème brûlée".Normalize(NormalizationForm.FormC);
        var decomposed = composed.Normalize(NormalizationForm.FormD);
        Assert.NotEqual(composed, decomposed);
        using var client = identity.Lenient.CreateClient();
        var name = IdentityApi.NewName();
        using var registered = await client.RegisterAsync(name, decomposed);
        Assert.Equal(HttpStatusCode.Created, registered.StatusCode);
        var login = await client.LogInAsync(name, composed);
        using var changed = await client.CallAsync(
            HttpMethod.Post, "/api/password", login.Access, new { old = composed, @new = "a " + composed });
        Assert.Equal(HttpStatusCode.NoContent, changed.StatusCode);
        login = await client.LogInAsync(name, "a " + decomposed);
        using var deleted = await client.CallAsync(
            HttpMethod.Delete, "/api/me", login.Access, new { password = decomposed });
        Assert.Equal(HttpStatusCode.BadRequest, deleted.StatusCode); // It lacks the "a ".
        using var tried = await client.TryLogInAsync(name, "A " + composed);
        Assert.Equal(HttpStatusCode.Unauthorized, tried.StatusCode);
    }

    [Theory]
    [InlineData(7, false)]
    [InlineData(8, true)]
    [InlineData(128, true)]
    [InlineData(129, false)]
    public async Task Registration_OfEachLength_FollowsTheRule(int length, bool isTaken)
    {
        using var response = await _client.RegisterAsync(IdentityApi.NewName(), new string('%', length));
        Assert.Equal(isTaken ? HttpStatusCode.Created : HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Fact]
    public void CommonPasswords_InThePackage_AreTenThousandOrMore() =>
        Assert.InRange(CommonPasswords.Count, 10_000, 100_000);

    [Fact]
    public async Task Hash_OfAUser_IsOwaspsByDefault()
    {
        await using var service = new IdentityServer(
            identity.ConnectionString,
            new() { ["Auth:PasswordIterations"] = $"{new AuthOptions().PasswordIterations}" });
        await service.StartAsync();
        using var client = service.CreateClientAt(IdentityApi.NewAddress());
        var hash = Convert.FromBase64String(await HashAsync(await client.NewNameAsync()));
        // Version 3, HMAC-SHA512 (2), 210,000 iterations, 16 bytes of salt, 32 of hash.
        Assert.Equal("01" + "00000002" + "00033450" + "00000010", Convert.ToHexString(hash.AsSpan(0, 13)));
        Assert.Equal(13 + 16 + 32, hash.Length);
    }

    [Fact]
    public async Task Login_AfterTheFigureHasRisen_HashesAnewOnceAndKeepsEarlierLogins()
    {
        var name = await _client.NewNameAsync();
        var earlier = await _client.LogInAsync(name);
        var old = await HashAsync(name);
        Assert.Equal(10_000, EqualWorkHasher.Iterations(old));

        await using var risen = new IdentityServer(
            identity.ConnectionString, new() { ["Auth:PasswordIterations"] = "20000" });
        await risen.StartAsync();
        using var client = risen.CreateClientAt(IdentityApi.NewAddress());
        using var wrong = await client.TryLogInAsync(name);
        Assert.Equal(old, await HashAsync(name));

        await client.LogInAsync(name);
        var hash = await HashAsync(name);
        Assert.Equal(20_000, EqualWorkHasher.Iterations(hash));
        await client.LogInAsync(name);
        // A replica that has not heard of the figure neither fails nor goes back.
        await _client.LogInAsync(name);
        Assert.Equal(hash, await HashAsync(name));
        using var refreshed = await _client.RefreshAsync(earlier.Refresh);
        await refreshed.ReadAsync<LoginAnswer>(HttpStatusCode.OK);
    }

    private async Task<string> HashAsync(string name)
    {
        await using var scope = identity.Lenient.Services.CreateAsyncScope();
        var users = scope.ServiceProvider.GetRequiredService<IdentityDb>().Users.AsNoTracking();
        return (await users.SingleAsync(user => user.UserName == name, CancellationToken).Soon()).PasswordHash!;
    }
}
