using System.Net;
using Npgsql;

namespace AspireChat.Tests;

/// <summary>Nobody spends what they have not, pays twice, or pays for nothing. Two replicas of every service.</summary>
public sealed class MoneyTests(AppHostFixture system)
{
    private const int MaxTries = 1_000;

    [Fact]
    public async Task Chat_200AtOnceOnAFreshAccount_Exactly40SucceedAndNothingIsLeft()
    {
        using var user = await system.NewUserAsync();

        var responses = await Task.WhenAll(Enumerable.Range(0, 200).Select(n =>
            user.Client.PostAsync("/api/chat", new { message = $"message {n}" })));

        Assert.Equal(40, responses.Count(response => response.StatusCode == HttpStatusCode.Created));
        foreach (var refused in responses.Where(response => response.StatusCode != HttpStatusCode.Created))
        {
            var problem = await refused.ProblemAsync(HttpStatusCode.PaymentRequired);
            Assert.Equal("insufficient_tokens", problem.Code);
        }

        Assert.Equal(0, await user.Client.BalanceAsync());
        using var listed = await user.Client.ReadAsync("/api/chat?limit=100");
        var chats = await listed.ReadAsync<List<ChatAnswer>>(HttpStatusCode.OK);
        Assert.Equal(40, chats.Count);
        Assert.Equal(Enumerable.Range(0, 40).Select(n => n * 100L), chats.Select(chat => chat.Tokens).Order());
        await AssertBooksBalanceAsync(chats[0].User, expected: 0);
    }

    [Fact]
    public async Task Chat_OneKeySent50TimesAtOnce_ChargesOnceAndAnswersAlike()
    {
        using var user = await system.NewUserAsync();
        var key = Guid.NewGuid().ToString();

        var responses = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => AnswerAsync(user.Client, key, "once")));

        Assert.Single(responses.Select(chat => chat.Id).Distinct());
        Assert.Single(responses.Distinct());
        Assert.Equal(3900, await user.Client.BalanceAsync());
        using var listed = await user.Client.ReadAsync("/api/chat");
        Assert.Single(await listed.ReadAsync<List<ChatAnswer>>(HttpStatusCode.OK));
    }

    [Fact]
    public async Task Chat_SameKeyWithAnotherMessage_IsRefusedAndWritesNothing()
    {
        using var user = await system.NewUserAsync();
        await AnswerAsync(user.Client, "key", "one message");

        using var other = await user.Client.PostAsync("/api/chat", new { message = "another message" }, "key");
        var problem = await other.ProblemAsync(HttpStatusCode.Conflict);
        Assert.Equal("exists_with_different_content", problem.Code);
        Assert.Equal(3900, await user.Client.BalanceAsync());
    }

    [Fact]
    public async Task Chat_SameKeyOfTwoUsers_AreTwoChats()
    {
        using var one = await system.NewUserAsync();
        using var other = await system.NewUserAsync();
        var first = await AnswerAsync(one.Client, "shared", "hello");
        var second = await AnswerAsync(other.Client, "shared", "hello");
        Assert.NotEqual(first.Id, second.Id);
        Assert.Equal(3900, await one.Client.BalanceAsync());
        Assert.Equal(3900, await other.Client.BalanceAsync());
    }

    [Fact]
    public async Task Deduct_WithAKeyTwice_DeductsOnce()
    {
        using var user = await system.NewUserAsync();
        using var first = await user.Client.PostAsync(
            "/api/tokens/deduct", new { amount = 250, reason = "test" }, "d1");
        var deducted = await first.ReadAsync<DeductAnswer>(HttpStatusCode.OK);
        Assert.Equal(3750, deducted.Tokens);

        using var again = await user.Client.PostAsync(
            "/api/tokens/deduct", new { amount = 250, reason = "test" }, "d1");
        Assert.Equal(deducted, await again.ReadAsync<DeductAnswer>(HttpStatusCode.OK));
        Assert.Equal("true", Assert.Single(again.Headers.GetValues("Idempotency-Replayed")));
        Assert.Equal(3750, await user.Client.BalanceAsync());
    }

    [Fact]
    public async Task Deduct_MoreThanTheBalance_IsRefusedAndWritesNothing()
    {
        using var user = await system.NewUserAsync();
        using var refused = await user.Client.PostAsync("/api/tokens/deduct", new { amount = 4001 });
        Assert.Equal("insufficient_tokens", (await refused.ProblemAsync(HttpStatusCode.PaymentRequired)).Code);
        Assert.Equal(4000, await user.Client.BalanceAsync());
    }

    [Fact]
    public async Task Account_WhileAChatIsUnderWay_ShowsWhatIsHeld()
    {
        using var user = await system.NewUserAsync();
        var call = user.Client.PostAsync("/api/chat", new { message = "[[delay 2s]]" });
        while (await AccountAsync(user.Client) is { Held: 0 })
        {
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }

        Assert.Equal(new AccountAnswer(3900, 4000, 100, Closed: false), await AccountAsync(user.Client));
        using var refused = await user.Client.PostAsync("/api/tokens/deduct", new { amount = 3901 });
        Assert.Equal("tokens_held", (await refused.ProblemAsync(HttpStatusCode.Conflict)).Code);
        await (await call).ReadAsync<ChatAnswer>(HttpStatusCode.Created);
        Assert.Equal(1, await Books.AssertPaidForRepliesOnlyAsync(system, user));
        Assert.Equal(new AccountAnswer(3900, 3900, 0, Closed: false), await AccountAsync(user.Client));
    }

    private static async Task<AccountAnswer> AccountAsync(HttpClient client)
    {
        using var response = await client.ReadAsync("/api/tokens/account");
        return await response.ReadAsync<AccountAnswer>(HttpStatusCode.OK);
    }

    /// <summary>Sends until the answer is there: while another request with the key is under way it is 409.</summary>
    private static async Task<ChatAnswer> AnswerAsync(HttpClient client, string key, string message)
    {
        for (var tries = 0; tries < MaxTries; tries++)
        {
            using var response = await client.PostAsync("/api/chat", new { message }, key);
            if (response.StatusCode != HttpStatusCode.Conflict)
            {
                return await response.ReadAsync<ChatAnswer>(HttpStatusCode.Created);
            }

            Assert.Equal("in_progress", (await response.ProblemAsync(HttpStatusCode.Conflict)).Code);
            await Task.Delay(20, TestContext.Current.CancellationToken); // As a client would, only sooner.
        }

        throw new TimeoutException($"The request with key {key} was in progress {MaxTries} times.");
    }

    /// <summary>Looks into the ledger's own tables: the balance is the sum of the account's transfers.</summary>
    private async Task AssertBooksBalanceAsync(long account, long expected)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await using var database = NpgsqlDataSource.Create(
            (await system.App.GetConnectionStringAsync("ledgerdb", cancellationToken))!);
        await using var command = database.CreateCommand("""
            SELECT a.balance - a.held, (SELECT sum(amount) FROM transfers WHERE account = a.id) - a.held
            FROM accounts a WHERE a.id = $1
            """);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = account });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        Assert.True(await reader.ReadAsync(cancellationToken));
        Assert.Equal(expected, reader.GetInt64(0));
        Assert.Equal(expected, reader.GetFieldValue<decimal>(1));
    }

    private sealed record AccountAnswer(long Tokens, long Balance, long Held, bool Closed);
}
