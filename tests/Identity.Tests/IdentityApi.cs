using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Identity.Tests;

/// <summary>The calls of Identity.Service, as its clients make them.</summary>
internal static class IdentityApi
{
    public const string Password = "correct horse battery";

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public static string NewName() => $"user-{Guid.NewGuid():N}";

    /// <summary>An address that no other test has.</summary>
    public static string NewAddress() => new IPAddress([10, .. RandomNumberGenerator.GetBytes(3)]).ToString();

    public static Task<HttpResponseMessage> TryLogInAsync(
        this HttpClient client, string username, string password = "a wrong password") =>
        client.PostJsonAsync("/api/login", new { username, password });

    /// <summary>Registers a new user.</summary>
    /// <returns>The name.</returns>
    public static async Task<string> NewNameAsync(this HttpClient client)
    {
        var name = NewName();
        using var registered = await client.RegisterAsync(name);
        Assert.Equal(HttpStatusCode.Created, registered.StatusCode);
        return name;
    }

    /// <summary>Calls as a user.</summary>
    public static Task<HttpResponseMessage> CallAsync(
        this HttpClient client, HttpMethod method, string path, string? access, object? body = null)
    {
        var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        request.Headers.Authorization = access is null ? null : new("Bearer", access);
        return client.SendAsync(request, CancellationToken).Soon();
    }

    public static Task<HttpResponseMessage> PostJsonAsync(this HttpClient client, string path, object body) =>
        client.PostAsync(path, JsonContent.Create(body), CancellationToken).Soon();

    public static Task<HttpResponseMessage> RegisterAsync(
        this HttpClient client, string? username, string? password = Password) =>
        client.PostJsonAsync("/api/register", new { username, password });

    public static Task<HttpResponseMessage> RefreshAsync(this HttpClient client, string refresh) =>
        client.PostJsonAsync("/api/token/refresh", new { refresh });

    public static Task<HttpResponseMessage> LogOutAsync(this HttpClient client, string refresh) =>
        client.PostJsonAsync("/api/logout", new { refresh });

    /// <summary>Asks the plain OAuth endpoint (RFC 6749).</summary>
    public static Task<HttpResponseMessage> OAuthAsync(
        this HttpClient client, params (string Name, string Value)[] form) =>
        client.PostFormAsync("/connect/token", form);

    public static Task<HttpResponseMessage> PostFormAsync(
        this HttpClient client, string path, params (string Name, string Value)[] form) =>
        client.PostAsync(
            path,
            new FormUrlEncodedContent(form.Select(field => KeyValuePair.Create(field.Name, field.Value))),
            CancellationToken).Soon();

    /// <summary>Whether the gateways hear that a login's session has ended.</summary>
    public static async Task<bool> IsEndedAsync(this HttpClient client, LoginAnswer login)
    {
        using var issued = await client.OAuthAsync(
            ("grant_type", "client_credentials"), ("client_id", "gateway"),
            ("client_secret", IdentityServer.GatewaySecret), ("scope", "sessions"));
        var token = await issued.ReadAsync<OAuthAnswer>(HttpStatusCode.OK);
        using var response = await client.CallAsync(HttpMethod.Get, "/sessions/ended", token.Access);
        var ended = await response.ReadAsync<JsonElement>(HttpStatusCode.OK);
        return ended.GetProperty("sessions").EnumerateArray().Select(id => id.GetInt64())
            .Contains(long.Parse(login.Claims.GetProperty("sid").GetString()!, CultureInfo.InvariantCulture));
    }

    public static async Task<LoginAnswer> LogInAsync(
        this HttpClient client, string username, string password = Password)
    {
        using var response = await client.PostJsonAsync("/api/login", new { username, password });
        return await response.ReadAsync<LoginAnswer>(HttpStatusCode.OK);
    }

    /// <summary>Registers a new user and logs in.</summary>
    public static async Task<LoginAnswer> NewUserAsync(this HttpClient client)
    {
        var name = NewName();
        using var registered = await client.RegisterAsync(name);
        Assert.Equal(HttpStatusCode.Created, registered.StatusCode);
        return await client.LogInAsync(name);
    }

    /// <summary>Makes an API key.</summary>
    public static async Task<NewKey> NewKeyAsync(
        this HttpClient client, string access, string name = "a key", long? limit = null, long? dailyLimit = null)
    {
        using var made = await client.CallAsync(
            HttpMethod.Post, "/api/keys", access, new { name, limit, daily_limit = dailyLimit });
        return await made.ReadAsync<NewKey>(HttpStatusCode.Created);
    }

    /// <summary>Asks for an access token for an API key, as the gateway does.</summary>
    public static Task<HttpResponseMessage> ExchangeAsync(this HttpClient client, string key) =>
        client.OAuthAsync(("grant_type", "urn:aspirechat:api-key"), ("assertion", key));

    public static async Task<T> ReadAsync<T>(this HttpResponseMessage response, HttpStatusCode expected)
    {
        var text = await response.Content.ReadAsStringAsync(CancellationToken).Soon();
        Assert.True(response.StatusCode == expected, $"Expected {expected}, got {response.StatusCode}: {text}");
        return JsonSerializer.Deserialize<T>(text, JsonSerializerOptions.Web)!;
    }

    /// <summary>Reads an error and checks what all errors have in common.</summary>
    public static async Task<string> ProblemAsync(this HttpResponseMessage response, HttpStatusCode expected)
    {
        var problem = await response.ReadAsync<Problem>(expected);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        Assert.Equal((int)expected, problem.Status);
        Assert.False(string.IsNullOrWhiteSpace(problem.Detail), "An error says in a sentence what is wrong.");
        Assert.False(string.IsNullOrWhiteSpace(problem.TraceId), "An error carries its trace id.");
        return problem.Detail;
    }

    /// <summary>Reads an error of the OAuth endpoint (RFC 6749, 5.2).</summary>
    public static async Task<string> OAuthErrorAsync(this HttpResponseMessage response)
    {
        var answer = await response.Content.ReadFromJsonAsync<JsonElement>(CancellationToken).Soon();
        Assert.False(answer.TryGetProperty("access_token", out _), "An error gives no token.");
        Assert.True((int)response.StatusCode is 400 or 401, $"Got {response.StatusCode}.");
        return answer.GetProperty("error").GetString()!;
    }

    private sealed record Problem(int Status, string? Detail, string? TraceId);
}

internal sealed record LoginAnswer(
    string Access, string Refresh, [property: JsonPropertyName("expires_in")] long ExpiresIn)
{
    /// <summary>What the access token says.</summary>
    public JsonElement Claims => Jwt.Read(Access).Claims;
}

internal sealed record OAuthAnswer(
    [property: JsonPropertyName("access_token")] string Access,
    [property: JsonPropertyName("refresh_token")] string? Refresh,
    [property: JsonPropertyName("expires_in")] long ExpiresIn);

internal sealed record NewKey(long Id, string Key);

internal sealed record ListedKey(
    long Id, string Name, string Start, long? Limit, [property: JsonPropertyName("daily_limit")] long? DailyLimit);

/// <summary>The two readable parts of a token (RFC 7519).</summary>
internal sealed record Jwt(JsonElement Header, JsonElement Claims)
{
    public static Jwt Read(string token)
    {
        var parts = token.Split('.');
        return new Jwt(Decode(parts[0]), Decode(parts[1]));
    }

    private static JsonElement Decode(string part) =>
        JsonSerializer.Deserialize<JsonElement>(System.Buffers.Text.Base64Url.DecodeFromChars(part));
}
