using System.Globalization;
using System.Net;
using CsvHelper;

namespace AspireChat.Tests;

/// <summary>What a user was charged and given, through the gateway.</summary>
public sealed class HistoryTests(AppHostFixture system)
{
    private const string Path = "/api/tokens/history";

    [Fact]
    public async Task History_OfOwnEntries_IsPagedNewestFirstAndAddsUp()
    {
        using var user = await system.NewUserAsync();
        await user.Client.PostAsync("/api/chat", new { message = "hello" });
        Assert.Equal(1, await Books.AssertPaidForRepliesOnlyAsync(system, user)); // A chat is captured off its path.
        await user.Client.PostAsync("/api/tokens/deduct", new { amount = 250, reason = "a test" });

        var entries = await user.Client.ReadPagesAsync<Entry>($"{Path}?limit=2");

        Assert.Equal(["deduction", "charge", "opening"], entries.Select(entry => entry.Kind));
        Assert.Equal([-250L, -100, 4000], entries.Select(entry => entry.Amount));
        Assert.Equal([3650L, 3900, 4000], entries.Select(entry => entry.Balance));
        Assert.Equal([3L, 2, 1], entries.Select(entry => entry.Number));
        Assert.Equal(["a test", null, null], entries.Select(entry => entry.Reason));
    }

    [Fact]
    public async Task History_OfAnotherUser_IsNotSeen()
    {
        using var one = await system.NewUserAsync();
        using var other = await system.NewUserAsync();
        await one.Client.PostAsync("/api/tokens/deduct", new { amount = 1, reason = "private" });
        using var seen = await other.Client.ReadAsync(Path);
        Assert.Equal("opening", Assert.Single(await seen.ReadAsync<List<Entry>>(HttpStatusCode.OK)).Kind);
    }

    [Theory]
    [InlineData("text/csv")]
    [InlineData("application/json;q=0.5, text/*")]
    public async Task History_AskedForAsCsv_IsCsvWithoutFormulas(string accept)
    {
        using var user = await system.NewUserAsync();
        await user.Client.PostAsync("/api/tokens/deduct", new { amount = 1, reason = "=1+1, \"quoted\"\nline" });
        using var request = new HttpRequestMessage(HttpMethod.Get, Path);
        request.Headers.Add("Accept", accept);
        using var response = await user.Client.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal("text/csv", response.Content.Headers.ContentType?.MediaType);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.StartsWith(
            "number,transaction,kind,amount,balance,charge,reason,timestamp,key\r\n", text, StringComparison.Ordinal);
        using var csv = new CsvReader(new StringReader(text), CultureInfo.InvariantCulture);
        var rows = csv.GetRecords<dynamic>().Select(row => (IDictionary<string, object>)row).ToList();
        Assert.Equal(2, rows.Count);
        Assert.Equal("'=1+1, \"quoted\"\nline", rows[0]["reason"]);
        Assert.Equal("-1", rows[0]["amount"]);
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("*/*")]
    [InlineData("text/csv;q=0.1, application/json")]
    public async Task History_AskedForAsAnythingElse_IsJson(string accept)
    {
        using var user = await system.NewUserAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, Path);
        request.Headers.Add("Accept", accept);
        using var response = await user.Client.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
    }

    [Theory]
    [InlineData("limit=0")]
    [InlineData("limit=1001")]
    [InlineData("before=0")]
    [InlineData("limit=many")]
    public async Task History_WithABadPage_Is400(string query)
    {
        using var user = await system.NewUserAsync();
        using var response = await user.Client.ReadAsync($"{Path}?{query}");
        await response.ProblemAsync(HttpStatusCode.BadRequest);
    }

    private sealed record Entry(
        long Number,
        Guid Transaction,
        string Kind,
        long Amount,
        long Balance,
        Guid? Charge,
        string? Reason,
        DateTimeOffset Timestamp);
}
