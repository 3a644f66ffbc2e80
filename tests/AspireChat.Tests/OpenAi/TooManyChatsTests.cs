using System.Net;
using System.Net.Http.Json;
using OpenAI.Chat;

namespace AspireChat.Tests.OpenAi;

/// <summary>Who has as many chats in flight as may be is told so, in a way that OpenAI's clients understand.</summary>
public sealed class TooManyChatsTests(AppHostFixture system)
{
    // As many as two replicas take of one user at once, and some more.
    private const int Places = 2 * 64;
    private const int Calls = Places + 20;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Chat_BeyondTheLimit_Is429InEveryClientAndNothingIsCharged()
    {
        using var user = await system.NewUserAsync();
        var before = await user.Client.BalanceAsync() + (100 * Calls);
        await CreditAsync(user, 100 * Calls);
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(CancellationToken);
        var refused = new CountdownEvent(Calls - Places);
        var calls = Enumerable.Range(0, Calls).Select(_ => StallAsync(user, refused, leave.Token)).ToList();
        Assert.True(await Task.Run(() => refused.Wait(AppHostFixture.StartTimeout, CancellationToken)));

        using var response = await user.Client.PostAsync("/api/v1/chat/completions", Question("hi"));
        Assert.Equal(HttpStatusCode.TooManyRequests, response.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(1), response.Headers.RetryAfter?.Delta);
        await DotNetClientTests.AssertRefusedAsync(429, "rate_limit_exceeded", () => DotNetClientTests.CreateChat(user)
            .CompleteChatAsync([new UserChatMessage("hi")], null, CancellationToken));
        var node = await NodeClient.CallAsync("complete", user.Client.BaseAddress!, user.Tokens.Access);
        NodeClientTests.AssertError(node["error"], "RateLimitError", 429, "rate_limit_exceeded");

        await leave.CancelAsync();
        await Task.WhenAll(calls).WaitAsync(AppHostFixture.StartTimeout, CancellationToken);
        await UntilRefundedAsync(user, before);
    }

    private static object Question(string text) =>
        new { model = "mock", messages = new[] { new { role = "user", content = text } } };

    /// <summary>A chat that is never answered, until its caller goes.</summary>
    private static async Task StallAsync(SignedInUser user, CountdownEvent refused, CancellationToken leave)
    {
        try
        {
            using var response = await user.Client.PostAsJsonAsync(
                "/api/v1/chat/completions", Question("[[stall]]"), leave);
            if (response.StatusCode is HttpStatusCode.TooManyRequests)
            {
                refused.Signal();
            }
        }
        catch (OperationCanceledException) when (leave.IsCancellationRequested)
        {
            // As it is meant.
        }
    }

    private async Task CreditAsync(SignedInUser user, long amount)
    {
        using var admin = await system.AdminAsync();
        using var me = await user.Client.ReadAsync("/api/me");
        var id = (await me.ReadAsync<Me>(HttpStatusCode.OK)).Id;
        using var credit = await admin.PostAsync("/api/tokens/credit", new { user = id, amount, reason = "to spend" });
        Assert.Equal(HttpStatusCode.OK, credit.StatusCode);
    }

    private static async Task UntilRefundedAsync(SignedInUser user, long balance)
    {
        async Task WaitAsync()
        {
            while (await user.Client.BalanceAsync() != balance)
            {
                await Task.Delay(100, CancellationToken);
            }
        }

        await WaitAsync().WaitAsync(AppHostFixture.StartTimeout, CancellationToken);
    }

    private sealed record Me(long Id);
}
