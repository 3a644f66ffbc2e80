using System.Net;
using Chat.Service;
using Chat.Service.Chats;

namespace Chat.Tests;

/// <summary>How much one user may ask for at once.</summary>
public sealed class LimitTests(ChatDatabase database)
{
    private static readonly object Hello = new { message = "hello" };

    /// <summary>A burst is judged by its balance: 40 chats are what a new user can pay, and 64 the limit.</summary>
    [Fact]
    public async Task Burst_Of200OnAFreshAccount_IsJudgedByItsBalance()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Model = new ScriptedModel(_ => reply.Task);
        var calls = Enumerable.Range(0, 200)
            .Select(_ => client.CallAsync(HttpMethod.Post, "/scripted", Hello)).ToList();
        for (var refused = 0; refused < 160; refused++)
        {
            var call = await Task.WhenAny(calls).Soon();
            calls.Remove(call);
            Assert.Equal("insufficient_tokens", await call.ProblemAsync(HttpStatusCode.PaymentRequired));
        }

        reply.SetResult("hi");
        var answers = await Task.WhenAll(calls);
        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Created, answer.StatusCode));
        Assert.Equal(0, host.Ledger.Available);
    }

    [Fact]
    public async Task Chats_BeyondThoseInFlight_Are429AndCostNothing()
    {
        await using var host = await ChatHost.StartAsync(database);
        host.Ledger.Balance = 100_000;
        using var client = host.NewClient();
        using var other = host.NewClient();
        var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var limit = new ChatSettings().MaxConcurrentChats;
        var calls = new List<Task<HttpResponseMessage>>();
        for (var n = 0; n < limit; n++)
        {
            var model = host.Model = new ScriptedModel(_ => reply.Task);
            calls.Add(client.CallAsync(HttpMethod.Post, "/scripted", Hello));
            await model.Asked.Soon();
        }

        var balance = host.Ledger.Available;
        using var refused = await client.CallAsync(HttpMethod.Post, "/scripted", Hello);
        Assert.Equal("too_many_chats", await Task.FromResult(refused).ProblemAsync(HttpStatusCode.TooManyRequests));
        Assert.Equal(TimeSpan.FromSeconds(1), refused.Headers.RetryAfter?.Delta);
        Assert.Equal(
            "too_many_chats",
            await client.StreamAsync("/scripted", Hello).ProblemAsync(HttpStatusCode.TooManyRequests));
        Assert.Equal(balance, host.Ledger.Available);
        Assert.Equal(100_000 - (limit * 100), balance);
        await other.CallAsync(HttpMethod.Post, "/api/chat", Hello).JsonAsync(HttpStatusCode.Created);

        reply.SetResult("hi");
        Assert.All(await Task.WhenAll(calls), answer => Assert.Equal(HttpStatusCode.Created, answer.StatusCode));
        await client.CallAsync(HttpMethod.Post, "/scripted", Hello).JsonAsync(HttpStatusCode.Created);
    }

    [Theory]
    [InlineData("/api/chat/export", 2, "too_many_exports")]
    [InlineData("/api/chat?limit=1&before=", 8, "too_many_pages")]
    public async Task Readings_BeyondThoseUnderWay_Are429UntilOneEnds(string path, int limit, string refusal)
    {
        await using var host = await ChatHost.StartAsync(database);
        var user = Random.Shared.NextInt64(1_000_000, long.MaxValue);
        var store = new ChatStore(database.Source);
        await StoreAsync(new string('x', 5_000_000));
        var small = await StoreAsync("hi");
        path = path.EndsWith('=') ? $"{path}{small.Id}" : path;
        using var client = host.NewClient(user);
        using var other = host.NewClient();
        var readers = new List<SlowReader>();
        while (readers.Count < limit)
        {
            readers.Add(await SlowReader.GetAsync(host, user, path));
        }

        using var refused = await client.CallAsync(HttpMethod.Get, path);
        Assert.Equal(refusal, await Task.FromResult(refused).ProblemAsync(HttpStatusCode.TooManyRequests));
        Assert.Equal(TimeSpan.FromSeconds(1), refused.Headers.RetryAfter?.Delta);
        Assert.False(refused.Headers.Contains("Link"));
        // It is nobody else's limit, and a page that no reader can hold up has none.
        using var theirs = await other.CallAsync(HttpMethod.Get, path);
        Assert.Equal(HttpStatusCode.OK, theirs.StatusCode);
        await client.CallAsync(HttpMethod.Get, "/api/chat?limit=1").JsonAsync(HttpStatusCode.OK);

        readers[0].Dispose();
        await UntilAnsweredAsync(client, path).Soon();
        readers.ForEach(reader => reader.Dispose());

        async Task<StoredChat> StoreAsync(string reply) => Assert.IsType<StoredChat>(
            await store.AddAsync(
                new PendingChat(Guid.NewGuid(), user, "hello") { Most = 100 }.Answered(reply, 3900)).Soon());
    }

    [Theory]
    [InlineData(0)]
    [InlineData((32 * 1024) + 1)]
    public async Task Message_OfNoFitSize_Is400AndCostsNothing(int length)
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        await client.CallAsync(HttpMethod.Post, "/api/chat", new { message = new string('x', length) })
            .ProblemAsync(HttpStatusCode.BadRequest);
        await client.StreamAsync("/api/chat", new { message = new string('x', length) })
            .ProblemAsync(HttpStatusCode.BadRequest);
        Assert.Empty(host.Ledger.Asked);
    }

    [Fact]
    public async Task Model_ThatIsNotThere_Is400AndCostsNothing()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        Assert.Equal(
            "unknown_model",
            await client.CallAsync(HttpMethod.Post, "/api/chat", new { message = "hello", model = "none" })
                .ProblemAsync(HttpStatusCode.BadRequest));
        Assert.Empty(host.Ledger.Asked);
    }

    private static async Task UntilAnsweredAsync(HttpClient client, string path)
    {
        while (true)
        {
            using var response = await client.CallAsync(HttpMethod.Get, path);
            if (response.StatusCode is HttpStatusCode.OK)
            {
                return;
            }

            Assert.Equal(HttpStatusCode.TooManyRequests, response.StatusCode);
            await Task.Delay(TimeSpan.FromMilliseconds(50), TestContext.Current.CancellationToken);
        }
    }
}
