using System.Net;
using System.Text.Json;
using Chat.Service.Chats;

namespace Chat.Tests;

/// <summary>What a user can read of earlier chats, take away, and delete.</summary>
public sealed class ChatHistoryTests(ChatDatabase database) : IAsyncLifetime
{
    private readonly long _user = Random.Shared.NextInt64(1_000_000, long.MaxValue);
    private readonly ChatStore _store = new(database.Source);
    private ChatHost _host = null!;
    private HttpClient _client = null!;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _host = await ChatHost.StartAsync(database);
        _client = _host.NewClient(_user);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _host.DisposeAsync();
    }

    [Fact]
    public async Task Chats_OfOneConversation_AreListedInPages()
    {
        var conversation = Guid.NewGuid();
        for (var n = 0; n < 6; n++)
        {
            await StoreAsync($"message {n}", conversation: n % 2 == 0 ? conversation : null);
        }

        var seen = new List<string?>();
        for (var next = $"/api/chat?limit=2&conversation={conversation}"; next is not null;)
        {
            using var page = await _client.CallAsync(HttpMethod.Get, next);
            seen.AddRange(Messages(await Task.FromResult(page).JsonAsync(HttpStatusCode.OK)));
            next = page.Headers.TryGetValues("Link", out var links) ? links.Single().Split('<', '>')[1] : null;
        }

        Assert.Equal(["message 4", "message 2", "message 0"], seen);
    }

    [Theory]
    [InlineData(250_000, 7, new[] { 4, 3 })]
    [InlineData(1_500_000, 3, new[] { 1, 1, 1 })]
    public async Task Chats_WithLongReplies_AreListedInPagesOfAMebibyteOrOneChat(int length, int count, int[] pages)
    {
        for (var n = 0; n < count; n++)
        {
            await StoreAsync($"message {n}", reply: new string('x', length));
        }

        await StoreAsync("of another user", user: _user + 1);
        var seen = new List<string?>();
        var sizes = new List<int>();
        for (var next = "/api/chat?limit=100"; next is not null;)
        {
            using var page = await _client.CallAsync(HttpMethod.Get, next);
            var chats = await Task.FromResult(page).JsonAsync(HttpStatusCode.OK);
            Assert.All(
                chats.EnumerateArray(), chat => Assert.Equal(length, chat.GetProperty("response").GetString()!.Length));
            seen.AddRange(Messages(chats));
            sizes.Add(chats.GetArrayLength());
            next = page.Headers.TryGetValues("Link", out var links) ? links.Single().Split('<', '>')[1] : null;
        }

        Assert.Equal(pages, sizes);
        var stored = Enumerable.Range(0, count).Select(n => $"message {n}").ToList();
        Assert.Equal(stored.AsEnumerable().Reverse(), seen);
        using var export = await _client.CallAsync(HttpMethod.Get, "/api/chat/export");
        var lines = (await export.Content.ReadAsStringAsync(CancellationToken).Soon()).TrimEnd('\n').Split('\n');
        Assert.Equal(stored, lines.Select(line => JsonElement.Parse(line).GetProperty("message").GetString()));
    }

    /// <summary>The bound is of bytes: these characters have three.</summary>
    [Fact]
    public async Task Chats_OfLongCharacters_AreCountedInBytes()
    {
        for (var n = 0; n < 3; n++)
        {
            await StoreAsync($"message {n}", reply: new string('字', 200_000));
        }

        Assert.Equal(["message 2"], await ListAsync());
    }

    [Fact]
    public async Task Export_OfMoreThanAPage_HasEveryChatOnceAndOldestFirst()
    {
        const int Count = 1203;
        for (var n = 0; n < Count; n += 50)
        {
            await Task.WhenAll(Enumerable.Range(n, Math.Min(50, Count - n)).Select(m => StoreAsync($"line\n{m}")));
        }

        await StoreAsync("of another user", user: _user + 1);
        await _store.AddTombstoneAsync(Chat("failed").ToHold(), CancellationToken).Soon();
        using var response = await _client.CallAsync(HttpMethod.Get, "/api/chat/export");
        Assert.Equal("application/jsonl", response.Content.Headers.ContentType?.MediaType);
        Assert.Equal("chats.jsonl", response.Content.Headers.ContentDisposition?.FileName?.Trim('"'));
        var text = await response.Content.ReadAsStringAsync(CancellationToken).Soon();
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        var chats = text.TrimEnd('\n').Split('\n').Select(line => JsonElement.Parse(line)).ToList();
        Assert.Equal(Count, chats.Count);
        var ids = chats.ConvertAll(chat => chat.GetProperty("id").GetInt64());
        Assert.Equal(ids.Order(), ids);
        Assert.Equal(Count, chats.DistinctBy(chat => chat.GetProperty("message").GetString()).Count());
        var one = await _client.CallAsync(HttpMethod.Get, $"/api/chat/{ids[700]}").JsonAsync(HttpStatusCode.OK);
        Assert.Equal(one.WithoutUsage(), chats[700].GetRawText());
    }

    [Fact]
    public async Task Export_OfNothing_IsEmpty()
    {
        using var response = await _client.CallAsync(HttpMethod.Get, "/api/chat/export");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("application/jsonl", response.Content.Headers.ContentType?.MediaType);
        Assert.Equal("", await response.Content.ReadAsStringAsync(CancellationToken).Soon());
    }

    [Fact]
    public async Task Chat_Deleted_IsNotShownAndStaysPaid()
    {
        var sent = await _client.CallAsync(HttpMethod.Post, "/api/chat", new { message = "secret" }, "key")
            .JsonAsync(HttpStatusCode.Created);
        await StoreAsync("kept");
        var path = $"/api/chat/{sent.GetProperty("id")}";
        using var other = _host.NewClient();
        await other.CallAsync(HttpMethod.Delete, path).ProblemAsync(HttpStatusCode.NotFound);
        await _client.CallAsync(HttpMethod.Delete, path).JsonAsync(HttpStatusCode.NoContent);

        await _client.CallAsync(HttpMethod.Delete, path).ProblemAsync(HttpStatusCode.NotFound);
        await _client.CallAsync(HttpMethod.Get, path).ProblemAsync(HttpStatusCode.NotFound);
        Assert.Equal(["kept"], await ListAsync());
        // Nor is it answered again, or given back.
        await _client.CallAsync(HttpMethod.Post, "/api/chat", new { message = "secret" }, "key")
            .ProblemAsync(HttpStatusCode.Conflict);
        Assert.Equal(3900, _host.Ledger.Available);
        Assert.Single(_host.Ledger.Asked, operation => operation is "hold");
        Assert.DoesNotContain("release", _host.Ledger.Asked);
    }

    [Fact]
    public async Task Chats_AllDeleted_AreNotShownAndOthersAreKept()
    {
        await StoreAsync("one");
        await StoreAsync("two", conversation: Guid.NewGuid());
        await StoreAsync("of another user", user: _user + 1);
        await _client.CallAsync(HttpMethod.Delete, "/api/chat").JsonAsync(HttpStatusCode.NoContent);

        Assert.Empty(await ListAsync());
        var conversations = await _client.CallAsync(HttpMethod.Get, "/api/conversations").JsonAsync(HttpStatusCode.OK);
        Assert.Equal(0, conversations.GetArrayLength());
        using var other = _host.NewClient(_user + 1);
        var theirs = await other.CallAsync(HttpMethod.Get, "/api/chat").JsonAsync(HttpStatusCode.OK);
        Assert.Equal(["of another user"], Messages(theirs));
    }

    [Theory]
    [InlineData("GET", "/api/chat")]
    [InlineData("GET", "/api/chat/export")]
    [InlineData("GET", "/api/chat/1")]
    [InlineData("DELETE", "/api/chat")]
    [InlineData("DELETE", "/api/chat/1")]
    [InlineData("GET", "/api/conversations")]
    [InlineData("PATCH", "/api/conversations/018f0000-0000-7000-8000-000000000001")]
    [InlineData("DELETE", "/api/conversations/018f0000-0000-7000-8000-000000000001")]
    public async Task Call_WithoutAUser_Is401(string method, string path)
    {
        using var nobody = new HttpClient { BaseAddress = _host.Address };
        await nobody.CallAsync(new HttpMethod(method), path, method == "PATCH" ? new { title = "x" } : null)
            .ProblemAsync(HttpStatusCode.Unauthorized);
    }

    private PendingChat Chat(string message) => new(Guid.NewGuid(), _user, message) { Most = 100 };

    private async Task StoreAsync(string message, Guid? conversation = null, long? user = null, string reply = "hi") =>
        Assert.NotNull(await _store.AddAsync(
            (Chat(message) with { UserId = user ?? _user, Conversation = conversation }).Answered(reply, 3900)).Soon());

    private async Task<IEnumerable<string?>> ListAsync() =>
        Messages(await _client.CallAsync(HttpMethod.Get, "/api/chat").JsonAsync(HttpStatusCode.OK));

    private static IEnumerable<string?> Messages(JsonElement chats) =>
        chats.EnumerateArray().Select(chat => chat.GetProperty("message").GetString());
}
