using System.Buffers.Text;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace AspireChat.Tests;

/// <summary>Everyone sees and spends their own, and nobody else's.</summary>
public sealed class AccessTests(AppHostFixture system)
{
    [Fact]
    public async Task Chat_OfAnotherUser_IsNotThere()
    {
        using var owner = await system.NewUserAsync();
        using var stranger = await system.NewUserAsync();
        using var sent = await owner.Client.PostAsync("/api/chat", new { message = "private" });
        var chat = await sent.ReadAsync<ChatAnswer>(HttpStatusCode.Created);

        using var own = await owner.Client.ReadAsync($"/api/chat/{chat.Id}");
        Assert.Equal(chat, await own.ReadAsync<ChatAnswer>(HttpStatusCode.OK));

        using var foreign = await stranger.Client.ReadAsync($"/api/chat/{chat.Id}");
        await foreign.ProblemAsync(HttpStatusCode.NotFound);
        using var listed = await stranger.Client.ReadAsync("/api/chat");
        Assert.Empty(await listed.ReadAsync<List<ChatAnswer>>(HttpStatusCode.OK));
    }

    [Fact]
    public async Task Login_WrongPasswordAndUnknownUser_GetTheSameAnswer()
    {
        using var user = await system.NewUserAsync();
        using var client = system.CreateClient();
        using var wrong = await client.PostAsync(
            "/api/login", new { username = user.Name, password = "wrong password" });
        using var unknown = await client.PostAsync(
            "/api/login", new { username = $"nobody-{Guid.NewGuid():N}", password = "wrong password" });

        var first = await wrong.ProblemAsync(HttpStatusCode.Unauthorized);
        var second = await unknown.ProblemAsync(HttpStatusCode.Unauthorized);
        Assert.Equal(first with { TraceId = null }, second with { TraceId = null });
    }

    [Theory]
    [InlineData("GET", "/api/tokens")]
    [InlineData("POST", "/api/tokens/deduct")]
    [InlineData("GET", "/api/chat")]
    [InlineData("POST", "/api/chat")]
    [InlineData("GET", "/api/chat/1")]
    public async Task AnyCall_WithoutAToken_Is401(string method, string path)
    {
        using var client = system.CreateClient();
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);
        await response.ProblemAsync(HttpStatusCode.Unauthorized);
        Assert.Contains("Bearer", response.Headers.WwwAuthenticate.Select(header => header.Scheme));
    }

    [Fact]
    public async Task RefreshToken_UsedAsAccessToken_Is401()
    {
        using var user = await system.NewUserAsync();
        user.Client.DefaultRequestHeaders.Authorization = new("Bearer", user.Tokens.Refresh);
        using var response = await user.Client.ReadAsync("/api/tokens");
        await response.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task AccessToken_WithAChangedPayload_Is401()
    {
        using var user = await system.NewUserAsync();
        var parts = user.Tokens.Access.Split('.');
        var payload = Payload(user.Tokens.Access);
        payload["sub"] = "999999999";
        var forged = Base64Url.EncodeToString(Encoding.UTF8.GetBytes(payload.ToJsonString()));
        user.Client.DefaultRequestHeaders.Authorization = new("Bearer", $"{parts[0]}.{forged}.{parts[2]}");
        using var response = await user.Client.ReadAsync("/api/tokens");
        await response.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    [Theory]
    [InlineData("ledger", "POST", "/holds/batch", HttpStatusCode.Unauthorized)]
    [InlineData("ledger", "GET", "/api/tokens", HttpStatusCode.Unauthorized)]
    [InlineData("chat", "GET", "/api/chat", HttpStatusCode.Unauthorized)]
    [InlineData("identity", "GET", "/api/me", HttpStatusCode.Unauthorized)]
    [InlineData("gateway", "POST", "/holds/batch", HttpStatusCode.NotFound)]
    [InlineData("gateway", "POST", "/connect/token", HttpStatusCode.NotFound)]
    public async Task ServiceCall_FromOutside_IsRefused(
        string resource, string method, string path, HttpStatusCode expected)
    {
        using var client = system.App.CreateHttpClient(resource);
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);
        await response.ProblemAsync(expected);
    }

    [Theory]
    [InlineData("identity")]
    [InlineData("ledger")]
    [InlineData("chat")]
    [InlineData("gateway")]
    public async Task Service_OfThisMachine_ListensOnLoopbackOnly(string resource)
    {
        if (!OperatingSystem.IsLinux())
        {
            return; // Elsewhere no file says which process listens where.
        }

        for (var replica = 1; replica <= 2; replica++)
        {
            using var process = await system.ProcessAsync(replica == 1 ? resource : $"{resource}-{replica}");
            var listening = ListeningAddresses(process.Id);
            Assert.NotEmpty(listening);
            Assert.All(listening, address => Assert.True(IPAddress.IsLoopback(address), $"{address}"));
        }
    }

    [Fact]
    public async Task AccessToken_OfTheFirstAdminAlone_CarriesTheRole()
    {
        using var admin = await system.AdminAsync();
        using var user = await system.NewUserAsync();
        Assert.Equal("admin", (string?)Payload(admin.DefaultRequestHeaders.Authorization!.Parameter!)["role"]);
        Assert.Null(Payload(user.Tokens.Access)["role"]);

        using var taken = await user.Client.PostAsync(
            "/api/register", new { username = "Admin", password = ApiClient.Password });
        await taken.ProblemAsync(HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task Hold_WithAUsersToken_Is403()
    {
        using var user = await system.NewUserAsync();
        using var ledger = system.App.CreateHttpClient("ledger");
        ledger.DefaultRequestHeaders.Authorization = user.Client.DefaultRequestHeaders.Authorization;
        using var response = await ledger.PostAsync(
            "/holds/batch", content: null, TestContext.Current.CancellationToken);
        await response.ProblemAsync(HttpStatusCode.Forbidden);
    }

    /// <summary>Where a process listens by TCP (proc_pid_fd(5), proc_pid_net(5)).</summary>
    private static List<IPAddress> ListeningAddresses(int processId)
    {
        const string Listen = "0A";
        string[] tables = ["tcp", "tcp6"];
        var sockets = Directory.EnumerateFiles($"/proc/{processId}/fd")
            .Select(file => new FileInfo(file).LinkTarget).ToHashSet();
        return
        [
            .. from table in tables
               from line in File.ReadLines($"/proc/{processId}/net/{table}").Skip(1)
               let columns = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
               where columns[3] == Listen && sockets.Contains($"socket:[{columns[9]}]")
               select Parse(columns[1].Split(':')[0]),
        ];

        // Each four bytes as a number of this machine's, in hex.
        static IPAddress Parse(string hex) => new(
            [.. Convert.FromHexString(hex).Chunk(4).SelectMany(word => BitConverter.IsLittleEndian
                ? word.Reverse()
                : word)]);
    }

    private static JsonNode Payload(string token) => JsonNode.Parse(Base64Url.DecodeFromChars(token.Split('.')[1]))!;
}
