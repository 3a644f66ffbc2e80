using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace Identity.Tests;

/// <summary>What a login takes and gives.</summary>
public sealed class LoginTests(IdentityFixture identity)
{
    private readonly HttpClient _client = identity.Lenient.CreateClient();

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Login_WithTheRightPassword_GivesThreeFieldsThatNobodyKeeps()
    {
        var name = IdentityApi.NewName();
        using var registered = await _client.RegisterAsync(name);
        using var response = await _client.PostJsonAsync(
            "/api/login", new { username = name.ToUpperInvariant(), password = IdentityApi.Password });

        var answer = await response.ReadAsync<JsonElement>(HttpStatusCode.OK);
        Assert.Equal(["access", "refresh", "expires_in"], answer.EnumerateObject().Select(field => field.Name));
        // What is left of the hour when the answer is written.
        Assert.InRange(answer.GetProperty("expires_in").GetInt64(), 1, 3600);
        Assert.True(response.Headers.CacheControl?.NoStore, "RFC 6749, 5.1: tokens are not for caches.");
    }

    [Theory]
    [InlineData("Basic Y2hhdDp4")] // chat:x
    [InlineData("Bearer x")]
    public async Task Login_WithACredentialInTheHeader_DoesNotLookAtIt(string authorization)
    {
        var name = await _client.NewNameAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/login")
        {
            Content = JsonContent.Create(new { username = name, password = IdentityApi.Password }),
        };
        request.Headers.TryAddWithoutValidation("Authorization", authorization);
        using var response = await _client.SendAsync(request, TestContext.Current.CancellationToken).Soon();
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task Login_WrongPasswordAndUnknownUsers_GetTheSameSentence()
    {
        var name = IdentityApi.NewName();
        using var registered = await _client.RegisterAsync(name);
        var sentences = new HashSet<string>();
        string[] usernames = [name, IdentityApi.NewName(), "no name at all", "a\0b", new('x', 10_000)];
        foreach (var username in usernames)
        {
            using var refused = await _client.PostJsonAsync(
                "/api/login", new { username, password = "wrong password" });
            sentences.Add(await refused.ProblemAsync(HttpStatusCode.Unauthorized));
        }

        Assert.Single(sentences);
    }

    [Theory]
    [InlineData("/api/login", "{}")]
    [InlineData("/api/login", """{"username":"u"}""")]
    [InlineData("/api/login", """{"password":"p"}""")]
    [InlineData("/api/login", """{"username":"","password":"p"}""")]
    [InlineData("/api/login", """{"username":"u","password":""}""")]
    [InlineData("/api/login", """{"username":["u"],"password":"p"}""")]
    [InlineData("/api/login", "{")]
    [InlineData("/api/login", "null")]
    [InlineData("/api/login", "[]")]
    [InlineData("/api/login", "")]
    [InlineData("/api/token/refresh", "{}")]
    [InlineData("/api/token/refresh", """{"refresh":""}""")]
    [InlineData("/api/token/refresh", """{"refresh":5}""")]
    [InlineData("/api/logout", "{}")]
    [InlineData("/api/logout", """{"refresh":null}""")]
    [InlineData("/api/logout", "nonsense")]
    public async Task Body_ThatDoesNotFit_Is400(string path, string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await _client.PostAsync(path, content, CancellationToken).Soon();
        await response.ProblemAsync(HttpStatusCode.BadRequest);
    }

    [Theory]
    [InlineData("/api/login")]
    [InlineData("/api/token/refresh")]
    [InlineData("/api/logout")]
    [InlineData("/api/register")]
    public async Task Body_OfAnotherContentType_Is415(string path)
    {
        using var content = new StringContent("grant_type=password&username=u&password=p");
        content.Headers.ContentType = new("application/x-www-form-urlencoded");
        using var response = await _client.PostAsync(path, content, CancellationToken).Soon();
        await response.ProblemAsync(HttpStatusCode.UnsupportedMediaType);
    }

    [Theory]
    [InlineData("GET", "/api/login", HttpStatusCode.MethodNotAllowed)]
    [InlineData("PUT", "/api/token/refresh", HttpStatusCode.MethodNotAllowed)]
    [InlineData("DELETE", "/api/logout", HttpStatusCode.MethodNotAllowed)]
    [InlineData("GET", "/api/register", HttpStatusCode.MethodNotAllowed)]
    [InlineData("GET", "/api/nothing", HttpStatusCode.NotFound)]
    public async Task Call_WithAWrongMethodOrPath_GetsASentence(string method, string path, HttpStatusCode expected)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var response = await _client.SendAsync(request, CancellationToken).Soon();
        await response.ProblemAsync(expected);
    }
}
