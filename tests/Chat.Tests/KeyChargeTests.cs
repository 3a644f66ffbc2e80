using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Chat.Service.Charges;
using Chat.Service.Chats;
using Chat.Service.Ledger;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace Chat.Tests;

/// <summary>The ledger hears with which key a chat is paid, and the caller that the key may not spend more.</summary>
public sealed class KeyChargeTests
{
    private static readonly ChatCharge Charge = new(Guid.NewGuid(), UserId: 7, "hello", Cost: 100);

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1000L, 100L, """{"id":5,"limit":1000,"daily_limit":100}""")]
    [InlineData(null, 0L, """{"id":5,"limit":null,"daily_limit":0}""")]
    public async Task Charge_WithAKey_NamesItAndItsLimits(long? limit, long? daily, string expected)
    {
        var body = await SentAsync(Charge with { Key = new UsedApiKey(5, limit, daily) });
        Assert.Equal(expected, body.GetProperty("key").GetRawText());
    }

    [Fact]
    public async Task Charge_WithoutAKey_NamesNone() =>
        Assert.Equal(JsonValueKind.Null, (await SentAsync(Charge)).GetProperty("key").ValueKind);

    [Fact]
    public async Task Refusal_OfTheKey_Is402WithItsCode()
    {
        using var ledger = new Ledger(HttpStatusCode.PaymentRequired, new { code = "key_limit_reached" });
        using var http = new HttpClient(ledger) { BaseAddress = new("http://ledger") };
        var refused = await new LedgerClient(http).ChargeAsync(Charge, CancellationToken).Soon();
        Assert.Equal(ChargeStatus.KeyLimitReached, refused.Status);

        var problem = ChatProblems.Of(
            new PaidReplyResult(ReplyStatus.KeyLimitReached), new DefaultHttpContext().Response).ProblemDetails;
        Assert.Equal((402, "key_limit_reached"), (problem.Status, problem.Extensions["code"]));
        Assert.Contains("not charged", problem.Detail, StringComparison.Ordinal);
    }

    private static async Task<JsonElement> SentAsync(ChatCharge charge)
    {
        using var ledger = new Ledger(HttpStatusCode.Created, new { balance = 3900 });
        using var http = new HttpClient(ledger) { BaseAddress = new("http://ledger") };
        await new LedgerClient(http).ChargeAsync(charge, CancellationToken).Soon();
        return ledger.Sent;
    }

    /// <summary>Answers always alike, and keeps what was sent.</summary>
    private sealed class Ledger(HttpStatusCode status, object answer) : HttpMessageHandler
    {
        public JsonElement Sent { get; private set; }

        protected override async Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Sent = await request.Content!.ReadFromJsonAsync<JsonElement>(cancellationToken);
            return new(status) { Content = JsonContent.Create(answer), RequestMessage = request };
        }
    }
}
