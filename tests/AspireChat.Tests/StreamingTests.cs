using System.Net;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;

namespace AspireChat.Tests;

/// <summary>Streams, conversations and history, through the gateway.</summary>
public sealed class StreamingTests(AppHostFixture system)
{
    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Chat_AskedForAsEvents_StreamsItsPiecesAndItsReceipt()
    {
        using var user = await system.NewUserAsync();
        var (events, isReplay) = await StreamAsync(user.Client, "Hello AI", "key");
        Assert.False(isReplay);
        Assert.True(events.Count > 2, "It came in one piece.");
        Assert.Equal("AI Response to: Hello AI", Text(events));
        Assert.Equal("done", events[^1].EventType);
        var done = JsonElement.Parse(events[^1].Data);
        var receipt = done.GetProperty("receipt");
        Assert.Equal((100, 3900), (receipt.GetProperty("cost").GetInt64(), receipt.GetProperty("tokens").GetInt64()));
        using var stored = await user.Client.ReadAsync($"/api/chat/{done.GetProperty("chat").GetProperty("id")}");
        Assert.Equal(Text(events), (await stored.ReadAsync<ChatAnswer>(HttpStatusCode.OK)).Response);
        using var history = await user.Client.ReadAsync("/api/tokens/history?limit=1");
        var entry = (await history.ReadAsync<JsonElement>(HttpStatusCode.OK))[0];
        Assert.Equal(entry.GetProperty("transaction").GetGuid(), receipt.GetProperty("charge").GetGuid());

        (events, isReplay) = await StreamAsync(user.Client, "Hello AI", "key");
        Assert.True(isReplay);
        Assert.Equal(["delta", "done"], events.Select(e => e.EventType));
        Assert.Equal("AI Response to: Hello AI", Text(events));
        Assert.Equal(3900, await user.Client.BalanceAsync());
    }

    [Fact]
    public async Task Conversation_ThroughTheGateway_IsListedRenamedExportedAndDeleted()
    {
        using var user = await system.NewUserAsync();
        var conversation = Guid.NewGuid();
        using var sent = await user.Client.PostAsync("/api/chat", new { message = "Hello AI", conversation });
        await sent.ReadAsync<ChatAnswer>(HttpStatusCode.Created);
        var path = $"/api/conversations/{conversation}";
        using var renamed = await user.Client.PatchAsync(
            path, JsonContent.Create(new { title = "Greetings" }), CancellationToken);
        Assert.Equal(HttpStatusCode.NoContent, renamed.StatusCode);
        using var listed = await user.Client.ReadAsync("/api/conversations");
        var one = Assert.Single((await listed.ReadAsync<JsonElement>(HttpStatusCode.OK)).EnumerateArray());
        Assert.Equal("Greetings", one.GetProperty("title").GetString());
        using var exported = await user.Client.ReadAsync("/api/chat/export");
        Assert.Equal("application/jsonl", exported.Content.Headers.ContentType?.MediaType);
        var line = JsonElement.Parse(await exported.Content.ReadAsStringAsync(CancellationToken));
        Assert.Equal(conversation, line.GetProperty("conversation").GetGuid());

        using var deleted = await user.Client.DeleteAsync(path, CancellationToken);
        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        using var left = await user.Client.ReadAsync("/api/chat");
        Assert.Empty(await left.ReadAsync<List<ChatAnswer>>(HttpStatusCode.OK));
        Assert.Equal(3900, await user.Client.BalanceAsync());
    }

    private static async Task<(List<SseItem<string>> Events, bool IsReplay)> StreamAsync(
        HttpClient client, string message, string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat")
        {
            Content = JsonContent.Create(new { message }),
        };
        request.Headers.Accept.Add(new("text/event-stream"));
        request.Headers.Add("Idempotency-Key", key);
        using var response = await client.SendAsync(
            request, HttpCompletionOption.ResponseHeadersRead, CancellationToken);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        await using var body = await response.Content.ReadAsStreamAsync(CancellationToken);
        var events = new List<SseItem<string>>();
        await foreach (var item in SseParser.Create(body).EnumerateAsync(CancellationToken))
        {
            events.Add(item);
        }

        return (events, response.Headers.Contains("Idempotency-Replayed"));
    }

    private static string Text(IEnumerable<SseItem<string>> events) => string.Concat(
        events.Where(e => e.EventType == "delta")
            .Select(e => JsonElement.Parse(e.Data).GetProperty("text").GetString()));
}
