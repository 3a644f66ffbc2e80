using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace AspireChat.Tests;

/// <summary>The calls of the API, as a client makes them.</summary>
internal static class ApiClient
{
    /// <summary>All that an API key can be used for.</summary>
    public static readonly string[] Scopes = ["chat", "history", "tokens"];

    public const string Password = "correct horse battery";

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    public static async Task RegisterAsync(this HttpClient client, string username, string password)
    {
        using var response = await client.PostAsync("/api/register", new { username, password });
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
    }

    public static async Task<LoginAnswer> LoginAsync(this HttpClient client, string username, string password)
    {
        using var response = await client.PostAsync("/api/login", new { username, password });
        return await response.ReadAsync<LoginAnswer>(HttpStatusCode.OK);
    }

    public static Task<HttpResponseMessage> PostAsync(
        this HttpClient client, string path, object body, string? idempotencyKey = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body) };
        if (idempotencyKey is not null)
        {
            request.Headers.Add("Idempotency-Key", idempotencyKey);
        }

        var cancellationToken = TestContext.Current.CancellationToken;
        return client.SendAsync(request, cancellationToken).WaitAsync(Timeout, cancellationToken);
    }

    /// <summary>All pages of a list, from one Link to the next (RFC 8288).</summary>
    public static async Task<List<T>> ReadPagesAsync<T>(this HttpClient client, string path)
    {
        var all = new List<T>();
        for (var next = path; next is not null;)
        {
            using var page = await client.ReadAsync(next);
            all.AddRange(await page.ReadAsync<List<T>>(HttpStatusCode.OK));
            next = page.Headers.TryGetValues("Link", out var links) ? links.Single().Split('<', '>')[1] : null;
        }

        return all;
    }

    public static Task<HttpResponseMessage> ReadAsync(this HttpClient client, string path)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        return client.GetAsync(path, cancellationToken).WaitAsync(Timeout, cancellationToken);
    }

    public static async Task<T> ReadAsync<T>(this HttpResponseMessage response, HttpStatusCode expected)
    {
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.StatusCode == expected, $"Expected {expected}, got {response.StatusCode}: {text}");
        return JsonSerializer.Deserialize<T>(text, JsonSerializerOptions.Web)!;
    }

    public static async Task<long> BalanceAsync(this HttpClient client)
    {
        using var response = await client.ReadAsync("/api/tokens");
        return (await response.ReadAsync<TokensAnswer>(HttpStatusCode.OK)).Tokens;
    }

    /// <summary>Reads an error and checks what all errors have in common.</summary>
    public static async Task<Problem> ProblemAsync(this HttpResponseMessage response, HttpStatusCode expected)
    {
        var problem = await response.ReadAsync<Problem>(expected);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        Assert.Equal((int)expected, problem.Status);
        Assert.False(string.IsNullOrWhiteSpace(problem.Detail), "An error says in a sentence what is wrong.");
        Assert.False(string.IsNullOrWhiteSpace(problem.TraceId), "An error carries its trace id.");
        return problem;
    }
}

/// <summary>A user of a test's own.</summary>
public sealed record SignedInUser(HttpClient Client, string Name, LoginAnswer Tokens) : IDisposable
{
    public void Dispose() => Client.Dispose();
}

public sealed record LoginAnswer(
    string Access, string Refresh, [property: JsonPropertyName("expires_in")] long ExpiresIn);

internal sealed record TokensAnswer(long Tokens);

internal sealed record DeductAnswer(long Tokens, Guid Transaction);

internal sealed record ChatAnswer(
    long Id, long User, string Message, string Response, DateTimeOffset Timestamp, long Cost, long Tokens);

internal sealed record Problem(int Status, string? Title, string? Detail, string? TraceId, string? Code);
