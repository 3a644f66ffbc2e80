using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;

namespace AspireChat.Tests.OpenAi;

/// <summary>Chat completions over plain HTTP: what is kept, what is paid, and what an error looks like.</summary>
public sealed class CompletionTests(AppHostFixture system)
{
    private const string Completions = "/api/v1/chat/completions";

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Completion_OfSeveralMessages_IsKeptAsTheUsersLastOne()
    {
        using var user = await system.NewUserAsync();
        using var response = await user.Client.PostAsync(Completions, Body("first", "second"));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Matches("^[0-9a-f]{32}$", Assert.Single(response.Headers.GetValues("x-request-id")));

        using var history = await user.Client.ReadAsync("/api/chat");
        var chat = Assert.Single(await history.ReadAsync<List<ChatAnswer>>(HttpStatusCode.OK));
        Assert.Equal(
            ("second", "AI Response to: second", 100L, 3900L), (chat.Message, chat.Response, chat.Cost, chat.Tokens));
    }

    [Fact]
    public async Task Completion_SentAgainWithItsKey_IsTheFirstOneAndPaidOnce()
    {
        using var user = await system.NewUserAsync();
        using var first = await user.Client.PostAsync(Completions, Body("hello"), "key-1");
        var text = await first.Content.ReadAsStringAsync(CancellationToken);
        using var again = await user.Client.PostAsync(Completions, Body("hello"), "key-1");
        Assert.Equal(text, await again.Content.ReadAsStringAsync(CancellationToken));
        Assert.Equal("true", Assert.Single(again.Headers.GetValues("Idempotency-Replayed")));
        Assert.Equal(3900, await user.Client.BalanceAsync());

        // Nor is it another's: the same key names a chat of its own in /api/chat.
        using var chat = await user.Client.PostAsync("/api/chat", new { message = "hello" }, "key-1");
        Assert.Equal(HttpStatusCode.Created, chat.StatusCode);
    }

    [Fact]
    public async Task Completion_OfOtherContentUnderTheSameKey_Is409AndClientsDoNotTryAgain()
    {
        using var user = await system.NewUserAsync();
        using var first = await user.Client.PostAsync(Completions, Body("one", "hello"), "key-1");
        using var other = await user.Client.PostAsync(Completions, Body("two", "hello"), "key-1");
        var error = await ErrorAsync(other, HttpStatusCode.Conflict);
        Assert.Equal("exists_with_different_content", (string?)error["code"]);
        Assert.Equal("false", Assert.Single(other.Headers.GetValues("x-should-retry")));
        Assert.Equal(3900, await user.Client.BalanceAsync());
    }

    [Fact]
    public async Task Stream_OfACompletion_IsWrittenAsOpenAiWritesIt()
    {
        using var user = await system.NewUserAsync();
        var events = await StreamAsync(user, "hello");
        Assert.Equal("data: [DONE]", events[^1]);
        var chunks = events[..^1].Select(line => JsonNode.Parse(line["data: ".Length..])!).ToList();
        Assert.All(chunks, chunk => Assert.Equal("chat.completion.chunk", (string?)chunk["object"]));
        Assert.Single(chunks.Select(chunk => ((string?)chunk["id"], (long)chunk["created"]!)).Distinct());
        var deltas = chunks.Select(chunk => chunk["choices"]![0]!).ToList();
        Assert.Equal("""{"role":"assistant","content":""}""", deltas[0]["delta"]!.ToJsonString());
        Assert.Equal(
            "AI Response to: hello", string.Concat(deltas.Select(delta => (string?)delta["delta"]!["content"])));
        Assert.Equal(("{}", "stop"), (deltas[^1]["delta"]!.ToJsonString(), (string?)deltas[^1]["finish_reason"]));
        Assert.All(deltas[..^1], delta => Assert.Null(delta["finish_reason"]));
        Assert.All(chunks, chunk => Assert.Null(chunk["usage"]));

        var replayed = await StreamAsync(user, "hello");
        Assert.Equal("data: [DONE]", replayed[^1]);
        Assert.Equal(3800, await user.Client.BalanceAsync());
    }

    [Fact]
    public async Task Stream_ThatFailsInTheMiddle_EndsWithAnErrorAndIsRefunded()
    {
        using var user = await system.NewUserAsync();
        var events = await StreamAsync(user, "hello [[error 2]]");
        Assert.DoesNotContain("data: [DONE]", events);
        Assert.Equal("data: [ERROR]", events[^1]);
        var error = JsonNode.Parse(events[^2]["data: ".Length..])!["error"]!;
        Assert.Equal(("server_error", "model_failed"), ((string?)error["type"], (string?)error["code"]));
        Assert.Contains("You were not charged.", (string?)error["message"], StringComparison.Ordinal);
        Assert.Equal(4000, await user.Client.BalanceAsync());
    }

    [Fact]
    public async Task Model_ThatFails_Is502AndRefunded()
    {
        using var user = await system.NewUserAsync();
        using var response = await user.Client.PostAsync(Completions, Body("hello [[error]]"));
        var error = await ErrorAsync(response, HttpStatusCode.BadGateway);
        Assert.Equal(("server_error", "model_failed"), ((string?)error["type"], (string?)error["code"]));
        Assert.Equal(4000, await user.Client.BalanceAsync());
    }

    public static TheoryData<string, HttpStatusCode, string?> BadBodies() => new()
    {
        { "", HttpStatusCode.BadRequest, null },
        { "{", HttpStatusCode.BadRequest, null },
        { "[]", HttpStatusCode.BadRequest, "invalid_type" },
        { "{}", HttpStatusCode.BadRequest, "missing_required_parameter" },
        { """{"model":"mock","messages":[],"x":1}""", HttpStatusCode.BadRequest, "invalid_value" },
        {
            """{"model":"mock","messages":[{"role":"user","content":"\ud800"}]}""",
            HttpStatusCode.BadRequest, "invalid_value"
        },
        {
            """{"model":"nobody","messages":[{"role":"user","content":"a"}]}""",
            HttpStatusCode.NotFound, "model_not_found"
        },
        { new string(' ', (256 * 1024) + 1), HttpStatusCode.RequestEntityTooLarge, "request_too_large" },
    };

    [Theory]
    [MemberData(nameof(BadBodies), DisableDiscoveryEnumeration = true)]
    public async Task Body_ThatDoesNotFit_GetsOpenAisErrorAndChangesNothing(
        string body, HttpStatusCode expected, string? code)
    {
        using var user = await system.NewUserAsync();
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await user.Client.PostAsync(Completions, content, CancellationToken);
        var error = await ErrorAsync(response, expected);
        Assert.Equal(("invalid_request_error", code), ((string?)error["type"], (string?)error["code"]));
        Assert.Equal(4000, await user.Client.BalanceAsync());
    }

    [Theory]
    [InlineData("GET", "/api/v1/nothing", HttpStatusCode.NotFound)]
    [InlineData("GET", "/api/v1/models/nobody", HttpStatusCode.NotFound)]
    [InlineData("DELETE", Completions, HttpStatusCode.MethodNotAllowed)]
    [InlineData("POST", Completions, HttpStatusCode.UnsupportedMediaType)]
    public async Task Call_ThatIsNone_GetsOpenAisError(string method, string path, HttpStatusCode expected)
    {
        using var user = await system.NewUserAsync();
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        request.Content = method == "POST" ? new StringContent("hi") : null;
        using var response = await user.Client.SendAsync(request, CancellationToken);
        await ErrorAsync(response, expected);
    }

    [Fact]
    public async Task Service_AskedWithoutAToken_AnswersInOpenAisShapeToo()
    {
        using var chat = system.App.CreateHttpClient("chat");
        using var response = await chat.ReadAsync("/api/v1/models");
        Assert.Equal("invalid_api_key", (string?)(await ErrorAsync(response, HttpStatusCode.Unauthorized))["code"]);
    }

    private static object Body(params string[] messages) => new
    {
        model = "mock",
        messages = messages.Select(content => new { role = "user", content }),
    };

    private static async Task<List<string>> StreamAsync(SignedInUser user, string message)
    {
        using var response = await user.Client.PostAsJsonAsync(
            Completions,
            new { model = "mock", stream = true, messages = new[] { new { role = "user", content = message } } },
            CancellationToken);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        var text = await response.Content.ReadAsStringAsync(CancellationToken);
        return [.. text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Where(line => line[0] != ':')];
    }

    private static async Task<JsonObject> ErrorAsync(HttpResponseMessage response, HttpStatusCode expected)
    {
        var body = await response.ReadAsync<JsonObject>(expected);
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        var error = body["error"]!.AsObject();
        Assert.Equal(["message", "type", "param", "code"], error.Select(member => member.Key));
        Assert.False(string.IsNullOrWhiteSpace((string?)error["message"]), "An error says what is wrong.");
        return error;
    }
}
