using System.Net;
using System.Text.Json;
using Chat.Service;
using Chat.Service.Conversations;
using Microsoft.Extensions.AI;

namespace Chat.Tests;

/// <summary>Chats that belong together, and what the model is told of them.</summary>
public sealed class ConversationTests(ChatDatabase database)
{
    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Conversation_FromItsFirstChatOn_IsThereAndToldToTheModel()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        var conversation = Guid.NewGuid();
        Assert.Empty(await ListAsync(client));
        host.Model = ScriptedModel.Answers("Hello, Bob.");
        var first = await SendAsync(client, "  I am Bob.\nWho are you?", conversation);
        Assert.Equal(conversation, first.GetProperty("conversation").GetGuid());
        await SendAsync(client, "Not of it", conversation: null);

        host.Model = ScriptedModel.Answers("Bob");
        await SendAsync(client, "What is my name?", conversation);
        Assert.Equal(
            [
                (ChatRole.User, "  I am Bob.\nWho are you?"),
                (ChatRole.Assistant, "Hello, Bob."),
                (ChatRole.User, "What is my name?"),
            ],
            Told(host));
        var listed = Assert.Single(await ListAsync(client));
        Assert.Equal(
            (conversation, "I am Bob."), (listed.GetProperty("id").GetGuid(), listed.GetProperty("title").GetString()));
        Assert.True(listed.GetProperty("updated").GetDateTime() > listed.GetProperty("created").GetDateTime());
    }

    [Fact]
    public async Task Conversation_WhoseFirstChatFails_IsNotThere()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        host.Model = ScriptedModel.Fails();
        var body = new { message = "hello", conversation = Guid.NewGuid() };
        await client.CallAsync(HttpMethod.Post, "/scripted", body).ProblemAsync(HttpStatusCode.BadGateway);
        Assert.Empty(await ListAsync(client));
    }

    [Theory]
    [InlineData(2, 1000, 2)]
    [InlineData(0, 1000, 0)]
    [InlineData(10, 35, 3)] // The message has 5 characters and each turn 10.
    [InlineData(10, 34, 2)]
    [InlineData(10, 4, 0)]
    public async Task Memory_OfAConversation_KeepsToItsLimits(int turns, int length, int told)
    {
        await using var host = await ChatHost.StartAsync(
            database, new ChatSettings { MemoryTurns = turns, MemoryLength = length });
        using var client = host.NewClient();
        var conversation = Guid.NewGuid();
        for (var n = 0; n < 4; n++)
        {
            host.Model = ScriptedModel.Answers($"hi {n}!");
            await SendAsync(client, $"say {n}", conversation);
        }

        host.Model = ScriptedModel.Answers("hi");
        await SendAsync(client, "hello", conversation);
        Assert.Equal(
            [
                .. Enumerable.Range(4 - told, told).SelectMany(
                    n => new[] { (ChatRole.User, $"say {n}"), (ChatRole.Assistant, $"hi {n}!") }),
                (ChatRole.User, "hello"),
            ],
            Told(host));
    }

    [Fact]
    public async Task Conversations_OfTwoUsersUnderOneName_NeverMeet()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var one = host.NewClient();
        using var other = host.NewClient();
        var conversation = Guid.NewGuid();
        await SendAsync(one, "private", conversation);
        await SendAsync(other, "mine", conversation);
        Assert.Equal([(ChatRole.User, "mine")], Told(host));
        Assert.Equal("mine", Assert.Single(await ListAsync(other)).GetProperty("title").GetString());

        await other.CallAsync(HttpMethod.Delete, $"/api/conversations/{conversation}")
            .JsonAsync(HttpStatusCode.NoContent);
        Assert.Equal("private", Assert.Single(await ListAsync(one)).GetProperty("title").GetString());
        Assert.Single(await ChatsAsync(one));
    }

    [Fact]
    public async Task Conversation_OfAnotherUser_CanBeNeitherRenamedNorDeleted()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var one = host.NewClient();
        using var other = host.NewClient();
        var path = $"/api/conversations/{Guid.NewGuid()}";
        await SendAsync(one, "private", Guid.Parse(path[^36..]));
        await other.CallAsync(HttpMethod.Patch, path, new { title = "stolen" }).ProblemAsync(HttpStatusCode.NotFound);
        await other.CallAsync(HttpMethod.Delete, path).ProblemAsync(HttpStatusCode.NotFound);
        Assert.Equal("private", Assert.Single(await ListAsync(one)).GetProperty("title").GetString());
    }

    [Fact]
    public async Task Conversations_Listed_AreLatestFirstInPagesThatMissNone()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        var names = Enumerable.Range(0, 5).Select(_ => Guid.NewGuid()).ToList();
        foreach (var name in names)
        {
            await SendAsync(client, "hello", name);
        }

        await SendAsync(client, "again", names[0]);
        using var first = await client.CallAsync(HttpMethod.Get, "/api/conversations?limit=2");
        Assert.Equal([names[0], names[4]], Ids(await Task.FromResult(first).JsonAsync(HttpStatusCode.OK)));
        // The last one of the page moves up: the next page is still what came after it.
        await SendAsync(client, "again", names[4]);
        var next = Assert.Single(first.Headers.GetValues("Link")).Split('<', '>')[1];
        using var second = await client.CallAsync(HttpMethod.Get, next);
        Assert.Equal([names[3], names[2]], Ids(await Task.FromResult(second).JsonAsync(HttpStatusCode.OK)));
        next = Assert.Single(second.Headers.GetValues("Link")).Split('<', '>')[1];
        using var third = await client.CallAsync(HttpMethod.Get, next);
        Assert.Equal([names[1]], Ids(await Task.FromResult(third).JsonAsync(HttpStatusCode.OK)));
        Assert.False(third.Headers.Contains("Link"), "The last page has no next one.");
    }

    [Theory]
    [InlineData("limit=0")]
    [InlineData("limit=101")]
    [InlineData("before=yesterday")]
    [InlineData("before=12_34")]
    [InlineData("before=99999999999999999999_018f0000-0000-7000-8000-000000000001")]
    [InlineData("before=9223372036854775807_018f0000-0000-7000-8000-000000000001")]
    public async Task Conversations_WithABadPage_Are400(string query)
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        await client.CallAsync(HttpMethod.Get, $"/api/conversations?{query}").ProblemAsync(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Conversation_Renamed_KeepsItsNewTitle()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        var conversation = Guid.NewGuid();
        await SendAsync(client, "hello", conversation);
        var path = $"/api/conversations/{conversation}";
        foreach (var title in new[] { "", " ", new string('x', 201), "a\0b" })
        {
            await client.CallAsync(HttpMethod.Patch, path, new { title }).ProblemAsync(HttpStatusCode.BadRequest);
        }

        await client.CallAsync(HttpMethod.Patch, path, new { title = "Two 🙂" }).JsonAsync(HttpStatusCode.NoContent);
        await SendAsync(client, "again", conversation);
        Assert.Equal("Two 🙂", Assert.Single(await ListAsync(client)).GetProperty("title").GetString());
    }

    [Fact]
    public async Task Conversation_Deleted_TakesItsChatsAlongAndStaysPaid()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        var conversation = Guid.NewGuid();
        await SendAsync(client, "secret", conversation);
        await SendAsync(client, "other", conversation: null);
        var path = $"/api/conversations/{conversation}";
        await client.CallAsync(HttpMethod.Delete, path).JsonAsync(HttpStatusCode.NoContent);

        Assert.Empty(await ListAsync(client));
        Assert.Equal(["other"], (await ChatsAsync(client)).Select(chat => chat.GetProperty("message").GetString()));
        Assert.Equal(3800, host.Ledger.Available);
        await client.CallAsync(HttpMethod.Delete, path).ProblemAsync(HttpStatusCode.NotFound);
        await SendAsync(client, "hello again", conversation);
        Assert.Equal([(ChatRole.User, "hello again")], Told(host));
    }

    [Theory]
    [InlineData("hello", "hello")]
    [InlineData("  one \r\ntwo", "one")]
    [InlineData("1234567890123456789012345678901234567890123456789012345678901234567890123456789🙂", null)]
    public void Title_OfAFirstMessage_IsItsFirstLineWithinReason(string message, string? expected)
    {
        var title = Conversation.TitleOf(message);
        Assert.Equal(expected ?? $"{message[..79]}…", title);
        Assert.DoesNotContain('\uFFFD', System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(title)));
    }

    private static Task<JsonElement> SendAsync(HttpClient client, string message, Guid? conversation) =>
        client.CallAsync(HttpMethod.Post, "/scripted", new { message, conversation }).JsonAsync(HttpStatusCode.Created);

    private static Task<List<JsonElement>> ListAsync(HttpClient client) => GetAsync(client, "/api/conversations");

    private static Task<List<JsonElement>> ChatsAsync(HttpClient client) => GetAsync(client, "/api/chat");

    private static async Task<List<JsonElement>> GetAsync(HttpClient client, string path) =>
        [.. (await client.CallAsync(HttpMethod.Get, path).JsonAsync(HttpStatusCode.OK)).EnumerateArray()];

    private static IEnumerable<Guid> Ids(JsonElement page) =>
        page.EnumerateArray().Select(conversation => conversation.GetProperty("id").GetGuid());

    private static IEnumerable<(ChatRole Role, string Text)> Told(ChatHost host) =>
        host.Model.Told.Select(message => (message.Role, message.Text));
}
