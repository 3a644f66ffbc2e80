using System.Net;
using System.Text;

namespace AspireChat.Tests;

/// <summary>Bad input gets a sentence and changes nothing.</summary>
public sealed class BadInputTests(AppHostFixture system)
{
    public static TheoryData<string, string, HttpStatusCode> BadBodies() => new()
    {
        { "/api/chat", "", HttpStatusCode.BadRequest },
        { "/api/chat", "{", HttpStatusCode.BadRequest },
        { "/api/chat", "null", HttpStatusCode.BadRequest },
        { "/api/chat", "[]", HttpStatusCode.BadRequest },
        { "/api/chat", "{}", HttpStatusCode.BadRequest },
        { "/api/chat", """{"message":null}""", HttpStatusCode.BadRequest },
        { "/api/chat", """{"message":5}""", HttpStatusCode.BadRequest },
        { "/api/chat", """{"message":""}""", HttpStatusCode.BadRequest },
        { "/api/chat", """{"message":"   "}""", HttpStatusCode.BadRequest },
        { "/api/chat", """{"message":"a\u0000b"}""", HttpStatusCode.BadRequest },
        { "/api/chat", """{"message":"\ud800"}""", HttpStatusCode.BadRequest },
        { "/api/chat", $$"""{"message":"{{new string('x', (32 * 1024) + 1)}}"}""", HttpStatusCode.BadRequest },
        { "/api/chat", $$"""{"message":"{{new string('é', (16 * 1024) + 1)}}"}""", HttpStatusCode.BadRequest },
        { "/api/chat", $$"""{"message":"{{new string('x', 10_000_000)}}"}""", HttpStatusCode.RequestEntityTooLarge },
        { "/api/chat", new string('[', 100_000), HttpStatusCode.BadRequest },
        { "/api/tokens/deduct", """{"amount":0}""", HttpStatusCode.BadRequest },
        { "/api/tokens/deduct", """{"amount":-1}""", HttpStatusCode.BadRequest },
        { "/api/tokens/deduct", """{"amount":1.5}""", HttpStatusCode.BadRequest },
        { "/api/tokens/deduct", """{"amount":"100"}""", HttpStatusCode.BadRequest },
        { "/api/tokens/deduct", """{"amount":99999999999999999999}""", HttpStatusCode.BadRequest },
        { "/api/tokens/deduct", """{"amount":1,"reason":"a\u0000b"}""", HttpStatusCode.BadRequest },
        { "/api/tokens/deduct", "{}", HttpStatusCode.BadRequest },
    };

    [Theory]
    [MemberData(nameof(BadBodies), DisableDiscoveryEnumeration = true)]
    public async Task Body_ThatDoesNotFit_GetsASentenceAndChangesNothing(
        string path, string body, HttpStatusCode expected)
    {
        using var user = await system.NewUserAsync();
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await user.Client.PostAsync(path, content, TestContext.Current.CancellationToken);
        await response.ProblemAsync(expected);
        Assert.Equal(4000, await user.Client.BalanceAsync());
    }

    [Fact]
    public async Task Message_OfExactly32KiB_IsAnswered()
    {
        using var user = await system.NewUserAsync();
        using var response = await user.Client.PostAsync("/api/chat", new { message = new string('x', 32 * 1024) });
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
    }

    [Theory]
    [InlineData("GET", "/api/nothing", HttpStatusCode.NotFound)]
    [InlineData("GET", "/nothing", HttpStatusCode.NotFound)]
    [InlineData("DELETE", "/api/login", HttpStatusCode.MethodNotAllowed)]
    [InlineData("PUT", "/api/chat", HttpStatusCode.MethodNotAllowed)]
    [InlineData("GET", "/api/chat/abc", HttpStatusCode.NotFound)]
    [InlineData("GET", "/api/chat/999999999", HttpStatusCode.NotFound)]
    [InlineData("GET", "/api/chat?limit=0", HttpStatusCode.BadRequest)]
    [InlineData("GET", "/api/chat?limit=many", HttpStatusCode.BadRequest)]
    [InlineData("GET", "/api/chat?before=-1", HttpStatusCode.BadRequest)]
    public async Task Address_ThatDoesNotFit_GetsASentence(string method, string path, HttpStatusCode expected)
    {
        using var user = await system.NewUserAsync();
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var response = await user.Client.SendAsync(request, TestContext.Current.CancellationToken);
        await response.ProblemAsync(expected);
    }

    [Fact]
    public async Task Body_OfAnotherContentType_Is415()
    {
        using var user = await system.NewUserAsync();
        using var content = new StringContent("message=hello", Encoding.UTF8, "application/x-www-form-urlencoded");
        using var response = await user.Client.PostAsync("/api/chat", content, TestContext.Current.CancellationToken);
        await response.ProblemAsync(HttpStatusCode.UnsupportedMediaType);
    }

    [Theory]
    [InlineData("/api/nothing", HttpStatusCode.NotFound)]
    [InlineData("/api/chat/999999999", HttpStatusCode.NotFound)]
    [InlineData("/api/chat?limit=0", HttpStatusCode.BadRequest)]
    public async Task Error_ForACallerWhoWantsHtml_IsProblemDetailsAllTheSame(string path, HttpStatusCode expected)
    {
        using var user = await system.NewUserAsync();
        user.Client.DefaultRequestHeaders.Accept.ParseAdd("text/html");
        using var response = await user.Client.ReadAsync(path);
        await response.ProblemAsync(expected);
    }

    [Theory]
    [InlineData("application/json; charset=\"utf-8\"")]
    [InlineData("application/json;charset=UTF-8")]
    public async Task Body_ThatSaysItIsUtf8_IsRead(string contentType)
    {
        using var user = await system.NewUserAsync();
        using var content = new StringContent("""{"message":"hello"}""");
        content.Headers.ContentType = System.Net.Http.Headers.MediaTypeHeaderValue.Parse(contentType);
        using var response = await user.Client.PostAsync("/api/chat", content, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
    }

    [Theory]
    [InlineData("/api/chat", "application/json; charset=bogus")]
    [InlineData("/api/chat", "application/json; charset=utf-16")]
    [InlineData("/api/login", "application/json; charset=utf-7")]
    public async Task Body_OfAnotherCharset_Is415(string path, string contentType)
    {
        using var user = await system.NewUserAsync();
        using var content = new StringContent("{}");
        content.Headers.ContentType = System.Net.Http.Headers.MediaTypeHeaderValue.Parse(contentType);
        using var response = await user.Client.PostAsync(path, content, TestContext.Current.CancellationToken);
        await response.ProblemAsync(HttpStatusCode.UnsupportedMediaType);
    }

    [Fact]
    public async Task IdempotencyKey_ThatCannotBeUsed_Is400()
    {
        using var user = await system.NewUserAsync();
        using var response = await user.Client.PostAsync("/api/chat", new { message = "hello" }, new string('k', 256));
        Assert.Equal("invalid_idempotency_key", (await response.ProblemAsync(HttpStatusCode.BadRequest)).Code);
    }

    [Theory]
    [InlineData("", "long enough password")]
    [InlineData("spaces are not allowed", "long enough password")]
    [InlineData("fine", "short")]
    public async Task Registration_ThatDoesNotFit_Is400(string username, string password)
    {
        using var client = system.CreateClient();
        using var response = await client.PostAsync("/api/register", new { username, password });
        await response.ProblemAsync(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Registration_OfATakenName_Is409()
    {
        using var user = await system.NewUserAsync();
        using var response = await user.Client.PostAsync(
            "/api/register", new { username = user.Name.ToUpperInvariant(), password = ApiClient.Password });
        await response.ProblemAsync(HttpStatusCode.Conflict);
    }
}
