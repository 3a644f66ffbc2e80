using System.Net;

namespace AspireChat.Tests;

/// <summary>What administrators may do with others' accounts, and nobody else may.</summary>
public sealed class AdministrationTests(AppHostFixture system)
{
    [Fact]
    public async Task Credit_ByAnAdministrator_IsGivenOncePerKeyAndSeenInTheHistory()
    {
        using var admin = await system.AdminAsync();
        using var user = await system.NewUserAsync();
        var id = await IdAsync(user);
        var body = new { user = id, amount = 500, reason = "a gift" };

        using var first = await admin.PostAsync("/api/tokens/credit", body, "gift-1");
        var given = await first.ReadAsync<DeductAnswer>(HttpStatusCode.OK);
        using var again = await admin.PostAsync("/api/tokens/credit", body, "gift-1");
        Assert.Equal(given, await again.ReadAsync<DeductAnswer>(HttpStatusCode.OK));
        Assert.Equal("true", Assert.Single(again.Headers.GetValues("Idempotency-Replayed")));

        Assert.Equal(given.Tokens, await user.Client.BalanceAsync());
        using var history = await user.Client.ReadAsync("/api/tokens/history?limit=1");
        Assert.Contains("a gift", await history.Content.ReadAsStringAsync(TestContext.Current.CancellationToken),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/api/tokens/credit")]
    [InlineData("/api/tokens/close")]
    public async Task Administration_ByAUser_Is403AndByNobody401(string path)
    {
        using var user = await system.NewUserAsync();
        var body = new { user = await IdAsync(user), amount = 500, reason = "for me" };
        using var refused = await user.Client.PostAsync(path, body);
        await refused.ProblemAsync(HttpStatusCode.Forbidden);

        using var nobody = system.CreateClient();
        using var anonymous = await nobody.PostAsync(path, body);
        await anonymous.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task Credit_ToNobody_Is404()
    {
        using var admin = await system.AdminAsync();
        using var response = await admin.PostAsync(
            "/api/tokens/credit", new { user = 987_654_321, amount = 1, reason = "nobody" });
        Assert.Equal("unknown_account", (await response.ProblemAsync(HttpStatusCode.NotFound)).Code);
    }

    [Theory]
    [InlineData(0, 1, "x")]
    [InlineData(1, 0, "x")]
    [InlineData(1, -5, "x")]
    [InlineData(1, long.MaxValue, "x")]
    [InlineData(1, 1, "")]
    [InlineData(1, 1, "a\0b")]
    public async Task Credit_WithBadInput_Is400(long user, long amount, string reason)
    {
        using var admin = await system.AdminAsync();
        using var response = await admin.PostAsync("/api/tokens/credit", new { user, amount, reason });
        await response.ProblemAsync(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Account_Closed_KeepsItsTokensAndSpendsNone()
    {
        using var admin = await system.AdminAsync();
        using var user = await system.NewUserAsync();
        var id = await IdAsync(user);
        using var closed = await admin.PostAsync("/api/tokens/close", new { user = id });
        Assert.Equal(3900, (await closed.ReadAsync<TokensAnswer>(HttpStatusCode.OK)).Tokens);

        using var chat = await user.Client.PostAsync("/api/chat", new { message = "hello?" });
        Assert.Equal("account_closed", (await chat.ProblemAsync(HttpStatusCode.Conflict)).Code);
        using var deducted = await user.Client.PostAsync("/api/tokens/deduct", new { amount = 1 });
        Assert.Equal("account_closed", (await deducted.ProblemAsync(HttpStatusCode.Conflict)).Code);
        using var credited = await admin.PostAsync(
            "/api/tokens/credit", new { user = id, amount = 1, reason = "late" });
        Assert.Equal("account_closed", (await credited.ProblemAsync(HttpStatusCode.Conflict)).Code);
        Assert.Equal(3900, await user.Client.BalanceAsync());
    }

    [Theory]
    [InlineData("ledger", "ledger-verify")]
    [InlineData("identity", "identity-rotate-keys")]
    [InlineData("chat", "chat-reconcile")]
    [InlineData("chat", "chat-reconcile-charge")]
    public async Task Command_OfAService_RunsItsToolWhichEndsWell(string service, string tool)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var started = await system.App.ResourceCommands.ExecuteCommandAsync(service, tool, cancellationToken);
        Assert.True(started.Success, started.Message);
        var ended = await system.App.ResourceNotifications.WaitForResourceAsync(
            tool, e => e.Snapshot.ExitCode is not null, cancellationToken)
            .WaitAsync(AppHostFixture.StartTimeout, cancellationToken);
        Assert.Equal(0, ended.Snapshot.ExitCode);
    }

    /// <summary>The user's number, as a chat tells it. Costs 100 tokens.</summary>
    private static async Task<long> IdAsync(SignedInUser user)
    {
        using var response = await user.Client.PostAsync("/api/chat", new { message = "who am I?" });
        return (await response.ReadAsync<ChatAnswer>(HttpStatusCode.Created)).User;
    }
}
