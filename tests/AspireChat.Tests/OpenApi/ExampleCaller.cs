using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace AspireChat.Tests.OpenApi;

/// <summary>
/// A user with a chat, a conversation and an API key, who sends requests as the description of the API has them as
/// examples, with the user's own names in place of the examples'.
/// </summary>
/// <param name="system">The system.</param>
/// <param name="user">The user.</param>
/// <param name="ids">What <c>{id}</c> is, by the beginning of the path.</param>
/// <param name="account">The user's number.</param>
internal sealed class ExampleCaller(
    AppHostFixture system, SignedInUser user, Dictionary<string, string> ids, long account) : IDisposable
{
    /// <summary>The user's client.</summary>
    public HttpClient Client => user.Client;

    /// <summary>Makes such a user.</summary>
    public static async Task<ExampleCaller> CreateAsync(AppHostFixture system)
    {
        var user = await system.NewUserAsync();
        var conversation = Guid.NewGuid().ToString();
        using var sent = await user.Client.PostAsync("/api/chat", new { message = "hello", conversation });
        var chat = await sent.ReadAsync<ChatAnswer>(HttpStatusCode.Created);
        using var made = await user.Client.PostAsync("/api/keys", new { name = "a key", scopes = ApiClient.Scopes });
        var key = await made.ReadAsync<JsonElement>(HttpStatusCode.Created);
        return new(system, user, new()
        {
            ["/api/chat/{id}"] = $"{chat.Id}",
            ["/api/conversations/{id}"] = conversation,
            ["/api/keys/{id}"] = $"{key.GetProperty("id")}",
            ["/api/v1/models/{id}"] = "mock",
            ["/api/sessions/{id}"] = await SessionAsync(user),
            ["/api/admin/users/{id}"] = $"{chat.User}",
            ["/api/admin/invitations/{id}"] = await InvitationAsync(system),
        }, chat.User);
    }

    /// <summary>Sends a request.</summary>
    /// <param name="operation">Whose example.</param>
    /// <param name="accept">What is wanted for an answer; null for nothing.</param>
    public async Task<HttpResponseMessage> SendAsync(Operation operation, string? accept)
    {
        var tag = (string)operation.Json["tags"]![0]!;
        var path = operation.Path;
        foreach (var (of, id) in ids.Where(one => path.StartsWith(one.Key, StringComparison.Ordinal)))
        {
            path = path.Replace(of, of.Replace("{id}", id, StringComparison.Ordinal), StringComparison.Ordinal)
                .Replace("{session}", ids["/api/sessions/{id}"], StringComparison.Ordinal);
        }

        var request = new HttpRequestMessage(new(operation.Method), path);
        if (accept is not null)
        {
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(accept));
        }

        if (operation.BodySchema is { } schema)
        {
            var body = operation.Of.ExampleOf(schema)!.DeepClone().AsObject();
            foreach (var (name, own) in Own(operation).Where(own => body.ContainsKey(own.Name)))
            {
                body[name] = own;
            }

            if (tag == "OpenAI" && accept == "text/event-stream")
            {
                body["stream"] = true; // OpenAI's way to ask for it.
            }

            request.Content = JsonContent.Create(body);
        }

        using var admin = tag == "Administration" ? await system.AdminAsync() : null;
        var cancellationToken = TestContext.Current.CancellationToken;
        return await (admin ?? Client).SendAsync(request, cancellationToken)
            .WaitAsync(TimeSpan.FromSeconds(60), cancellationToken);
    }

    public void Dispose() => user.Dispose();

    private static async Task<string> SessionAsync(SignedInUser user)
    {
        using var listed = await user.Client.ReadAsync("/api/sessions");
        return $"{(await listed.ReadAsync<JsonElement>(HttpStatusCode.OK))[0].GetProperty("id")}";
    }

    private static async Task<string> InvitationAsync(AppHostFixture system)
    {
        using var admin = await system.AdminAsync();
        using var made = await admin.PostAsync("/api/admin/invitations", new { note = "an example" });
        return $"{(await made.ReadAsync<JsonElement>(HttpStatusCode.Created)).GetProperty("id")}";
    }

    private IEnumerable<(string Name, JsonNode Value)> Own(Operation operation) =>
    [
        ("username", operation.Path == "/api/register" ? $"user-{Guid.NewGuid():N}" : user.Name),
        ("password", ApiClient.Password),
        ("old", ApiClient.Password),
        ("refresh", user.Tokens.Refresh),
        ("user", account),
    ];
}
