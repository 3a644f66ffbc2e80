using System.Net;
using System.Text;
using System.Text.Json;

namespace Identity.Tests;

/// <summary>Who may become a user.</summary>
public sealed class RegisterTests(IdentityFixture identity)
{
    private readonly HttpClient _client = identity.Lenient.CreateClient();

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("A.b+c-d_e@1", "8 signs.")]
    [InlineData("", "pässwörd with blanks and 🙂")]
    [InlineData("x", "        ")]
    public async Task Registration_ThatFits_Is201AndCanLogIn(string prefix, string password)
    {
        // Filled up with random characters to the longest name there may be.
        var name = (prefix + Guid.NewGuid().ToString("N")).PadRight(150, 'z');
        using var response = await _client.RegisterAsync(name, password);
        var answer = await response.ReadAsync<JsonElement>(HttpStatusCode.Created);
        Assert.Equal("""{"message":"User registered successfully"}""", answer.GetRawText());
        await _client.LogInAsync(name, password);
    }

    [Theory]
    [InlineData("""{"username":"","password":"long enough"}""", "username")]
    [InlineData("""{"username":null,"password":"long enough"}""", "username")]
    [InlineData("""{"password":"long enough"}""", "username")]
    [InlineData("""{"username":"two words","password":"long enough"}""", "username")]
    [InlineData("""{"username":"line\n","password":"long enough"}""", "username")]
    [InlineData("""{"username":"a\u0000b","password":"long enough"}""", "username")]
    [InlineData("""{"username":"ünïcödé","password":"long enough"}""", "username")]
    [InlineData("""{"username":5,"password":"long enough"}""", "username")]
    [InlineData("""{"username":"fine","password":"1234567"}""", "password")]
    [InlineData("""{"username":"fine","password":""}""", "password")]
    [InlineData("""{"username":"fine","password":null}""", "password")]
    [InlineData("""{"username":"fine"}""", "password")]
    [InlineData("null", "JSON")]
    [InlineData("{", "JSON")]
    [InlineData("", "JSON")]
    public async Task Registration_ThatDoesNotFit_Is400AndSaysWhatDoesNot(string body, string named)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await _client.PostAsync("/api/register", content, CancellationToken).Soon();
        Assert.Contains(named, await response.ProblemAsync(HttpStatusCode.BadRequest), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(151, 8)]
    [InlineData(1, 129)]
    public async Task Registration_ThatIsTooLong_Is400(int nameLength, int passwordLength)
    {
        using var response = await _client.RegisterAsync(new string('n', nameLength), new string('p', passwordLength));
        await response.ProblemAsync(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Registration_OfATakenName_Is409InAnyCase()
    {
        var name = IdentityApi.NewName();
        using var first = await _client.RegisterAsync(name);
        Assert.Equal(HttpStatusCode.Created, first.StatusCode);
        using var second = await _client.RegisterAsync(name.ToUpperInvariant(), "another password");
        await second.ProblemAsync(HttpStatusCode.Conflict);
        await _client.LogInAsync(name);
    }

    [Fact]
    public async Task Registration_OfOneName12TimesAtOnceOnTwoReplicas_SucceedsOnce()
    {
        using var replica = identity.Strict.CreateClient();
        var name = IdentityApi.NewName();
        var responses = await Task.WhenAll(Enumerable.Range(0, 12).Select(
            n => (n % 2 == 0 ? _client : replica).RegisterAsync(name)));

        Assert.Single(responses, response => response.StatusCode == HttpStatusCode.Created);
        foreach (var refused in responses.Where(response => response.StatusCode != HttpStatusCode.Created))
        {
            await refused.ProblemAsync(HttpStatusCode.Conflict);
        }
    }
}
