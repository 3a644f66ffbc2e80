using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace AppHost.Tests;

/// <summary>A user who registers, logs in and chats.</summary>
internal static class Users
{
    private const string Password = "correct horse battery";

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    /// <summary>Registers a new user.</summary>
    /// <returns>An access token.</returns>
    public static async Task<string> NewAsync(HttpClient client)
    {
        var body = new { username = $"user-{Guid.NewGuid():N}", password = Password };
        using var registered = await client.PostAsJsonAsync("/api/register", body, CancellationToken);
        await SucceededAsync(registered);
        using var loggedIn = await client.PostAsJsonAsync("/api/login", body, CancellationToken);
        return (string)(await SucceededAsync(loggedIn))["access"]!;
    }

    /// <summary>Sends a chat.</summary>
    /// <returns>How many tokens are left.</returns>
    public static async Task<long> ChatAsync(HttpClient client, string token)
    {
        using var response = await SendChatAsync(client, token, model: null);
        return (long)(await SucceededAsync(response))["tokens"]!;
    }

    /// <summary>Sends a chat to a model.</summary>
    public static async Task<HttpStatusCode> TryChatAsync(HttpClient client, string token, string model)
    {
        using var response = await SendChatAsync(client, token, model);
        return response.StatusCode;
    }

    private static async Task<HttpResponseMessage> SendChatAsync(HttpClient client, string token, string? model)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat")
        {
            Content = JsonContent.Create(new { message = "Hello AI", model }),
        };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return await client.SendAsync(request, CancellationToken);
    }

    private static async Task<JsonNode> SucceededAsync(HttpResponseMessage response)
    {
        var text = await response.Content.ReadAsStringAsync(CancellationToken);
        Assert.True(response.IsSuccessStatusCode, $"{response.StatusCode}: {text}");
        return JsonNode.Parse(text)!;
    }
}
