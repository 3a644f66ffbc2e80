using System.Collections.Concurrent;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Ledger.Service.Budgets;
using Ledger.Service.Transfers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Ledger.Tests;

/// <summary>Events about limits reach the webhook: signed, at least once, and by one replica at a time.</summary>
public sealed class LimitWebhookTests(ServersFixture servers) : IAsyncLifetime
{
    private const string Secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly long _user = ServersFixture.NewAccount();
    private readonly long _other = ServersFixture.NewAccount();
    private readonly List<LimitWebhook> _replicas = [];
    private OwnDatabase _books = null!;
    private Receiver _receiver = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _books = await OwnDatabase.CreateAsync(servers.ConnectionString);
        _receiver = await Receiver.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var replica in _replicas)
        {
            await replica.StopAsync(CancellationToken.None);
            replica.Dispose();
        }

        await _receiver.DisposeAsync();
        await _books.DisposeAsync();
    }

    [Fact]
    public async Task Events_OfBothThresholdsAtOnce_ArriveSigned()
    {
        await SpendAsync(user: _user, budget: 100, spent: 85);
        await StartAsync(_receiver.Url, TimeSpan.FromSeconds(10));
        await _receiver.UntilAsync(2);
        var bodies = _receiver.Requests.Select(request => JsonDocument.Parse(request.Body).RootElement)
            .OrderBy(body => body.GetProperty("data").GetProperty("threshold").GetInt32()).ToList();
        foreach (var (body, threshold) in bodies.Zip([50, 80]))
        {
            Assert.Equal("limit.reached", body.GetProperty("type").GetString());
            const string Limit = "\"limit\":\"month\",\"key\":0,\"period\":\"2026-01-01\"";
            Assert.Equal(
                $$"""{"user":{{_user}},{{Limit}},"threshold":{{threshold}},"most":100,"spent":85}""",
                body.GetProperty("data").GetRawText());
        }

        foreach (var request in _receiver.Requests)
        {
            var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
            Assert.InRange(long.Parse(request.Timestamp, CultureInfo.InvariantCulture), now - 60, now);
            var signature = HMACSHA256.HashData(
                Convert.FromBase64String(Secret["whsec_".Length..]),
                Encoding.UTF8.GetBytes($"{request.Id}.{request.Timestamp}.{request.Body}"));
            Assert.Equal($"v1,{Convert.ToBase64String(signature)}", request.Signature);
        }

        Assert.Equal(2, _receiver.Requests.Select(request => request.Id).Distinct().Count());
        await UntilAllAreDeliveredAsync();
    }

    [Fact]
    public async Task Event_ThatFails_IsSentAgainLaterAndLater()
    {
        _receiver.Answer = attempt => attempt <= 3 ? StatusCodes.Status500InternalServerError : StatusCodes.Status200OK;
        await SpendAsync(user: _user, budget: 100, spent: 50);
        await StartAsync(_receiver.Url, TimeSpan.FromMilliseconds(500));
        await _receiver.UntilAsync(4);
        await UntilAllAreDeliveredAsync();
        var requests = _receiver.Requests.OrderBy(request => request.At).ToList();
        Assert.Single(requests.Select(request => request.Id).Distinct());
        var waits = requests.Zip(requests.Skip(1), (one, next) => next.At - one.At).ToList();
        Assert.True(waits[0] >= TimeSpan.FromSeconds(0.9), $"{waits[0]}");
        Assert.True(waits[1] >= TimeSpan.FromSeconds(1.9), $"{waits[1]}");
        Assert.True(waits[2] >= TimeSpan.FromSeconds(3.9), $"{waits[2]}");
        await Task.Delay(TimeSpan.FromSeconds(2), Cancellation);
        Assert.Equal(4, _receiver.Requests.Count); // Delivered is delivered.
    }

    /// <summary>The lease is longer than the receiver may take, so that nobody sends what another is sending.</summary>
    [Fact]
    public async Task Events_OfTwoReplicasAndASlowReceiver_ArriveOnceEach()
    {
        _receiver.Delay = TimeSpan.FromSeconds(2);
        for (var user = 0; user < 20; user++)
        {
            await SpendAsync(ServersFixture.NewAccount(), budget: 100, spent: 100);
        }

        await StartAsync(_receiver.Url, TimeSpan.FromSeconds(30));
        await StartAsync(_receiver.Url, TimeSpan.FromSeconds(30));
        await UntilAllAreDeliveredAsync();
        Assert.Equal(60, _receiver.Requests.Count);
        Assert.Equal(60, _receiver.Requests.Select(request => request.Id).Distinct().Count());
    }

    [Fact]
    public async Task Event_ForAReceiverThatTakesTooLong_IsSentAgain()
    {
        _receiver.Delay = TimeSpan.FromSeconds(5);
        await SpendAsync(user: _user, budget: 100, spent: 50);
        await StartAsync(_receiver.Url, TimeSpan.FromMilliseconds(300));
        await _receiver.UntilAsync(2);
        _receiver.Delay = TimeSpan.Zero;
        await UntilAllAreDeliveredAsync();
    }

    [Fact]
    public async Task Event_ForAReceiverThatIsDown_WaitsForIt()
    {
        await SpendAsync(user: _user, budget: 100, spent: 50);
        var url = _receiver.Url;
        await _receiver.DisposeAsync();
        await StartAsync(url, TimeSpan.FromMilliseconds(300));
        await UntilAsync("SELECT count(*) FROM limit_events WHERE attempts >= 2 AND delivered_at IS NULL", 1);
        _receiver = await Receiver.StartAsync(url);
        await UntilAllAreDeliveredAsync();
        Assert.Single(_receiver.Requests);
    }

    /// <summary>Spending waits for no receiver: no row is locked while one is asked.</summary>
    [Fact]
    public async Task Account_WhoseEventIsBeingSent_IsNotLocked()
    {
        _receiver.Delay = TimeSpan.FromSeconds(20);
        await SpendAsync(user: _user, budget: 100, spent: 50);
        await StartAsync(_receiver.Url, TimeSpan.FromSeconds(30));
        await _receiver.UntilAsync(1);
        await SpendAsync(user: _user, budget: 100, spent: 50).WaitAsync(TimeSpan.FromSeconds(10), Cancellation);
        Assert.Equal(0, await NumberAsync("SELECT count(*) FROM limit_events WHERE delivered_at IS NOT NULL"));
    }

    [Fact]
    public async Task Events_WithoutAWebhook_AreKeptAndOldOnesForgotten()
    {
        await SpendAsync(user: _user, budget: 100, spent: 85);
        await SpendAsync(user: _other, budget: 100, spent: 85);
        await _books.ExecuteAsync($"""
            UPDATE limit_events SET created_at = now() - interval '41 days' WHERE account = {_other};
            UPDATE limit_events SET kind = 'key_total' WHERE account = {_other} AND threshold = 80;
            """);
        await StartAsync(url: null, TimeSpan.FromSeconds(1));
        await UntilAsync("SELECT count(*) FROM limit_events", 3); // A total has no end: its events must not come again.
        await Task.Delay(TimeSpan.FromSeconds(2), Cancellation);
        Assert.Equal(0, await NumberAsync("SELECT count(*) FROM limit_events WHERE attempts > 0"));
        Assert.Empty(_receiver.Requests);
    }

    [Theory]
    [InlineData(null, null, null)]
    [InlineData("", "", null)]
    [InlineData("https://example.com/hook", Secret, null)]
    [InlineData("example.com/hook", Secret, "'Ledger:Webhook:Url' must be")]
    [InlineData("ftp://example.com/hook", Secret, "'Ledger:Webhook:Url' must be")]
    [InlineData("https://me:secret@example.com/hook", Secret, "'Ledger:Webhook:Url' must be")]
    [InlineData("https://example.com/hook", null, "'Ledger:Webhook:Secret' must be")]
    [InlineData("https://example.com/hook", "whsec_c2hvcnQ=", "'Ledger:Webhook:Secret' must be")]
    [InlineData("https://example.com/hook", "whsec_no base64, and long enough", "'Ledger:Webhook:Secret' must be")]
    [InlineData("https://example.com/hook", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", "'Ledger:Webhook:Secret' must be")]
    public void Options_ThatCannotWork_AreRefusedWithASentence(string? url, string? secret, string? sentence)
    {
        var options = new WebhookOptions { Url = url, Secret = secret };
        var faults = new List<ValidationResult>();
        Validator.TryValidateObject(options, new(options), faults, validateAllProperties: true);
        Assert.Equal(sentence is null, faults.Count == 0);
        Assert.All(faults, fault => Assert.StartsWith(sentence!, fault.ErrorMessage, StringComparison.Ordinal));
    }

    private async Task SpendAsync(long user, long budget, long spent)
    {
        var cache = ServersFixture.NewCache(redis: null);
        var ledger = ServersFixture.NewLedger(_books.Database, cache, clock: Clock.Today);
        await ServersFixture.NewAccounts(_books.Database, cache).SetBudgetAsync(user, budget, Cancellation);
        var outcome = await ledger.MoveAsync(
            new TransferRequest(Guid.NewGuid(), user, spent, TransferKind.Deduction), Cancellation);
        Assert.Equal(HoldOutcome.Created, outcome.Status);
    }

    private async Task StartAsync(string? url, TimeSpan timeout)
    {
        var replica = new LimitWebhook(
            _books.Database,
            Options.Create(new WebhookOptions { Url = url, Secret = Secret, Timeout = timeout }),
            ServersFixture.NewMetrics(),
            TimeProvider.System,
            NullLogger<LimitWebhook>.Instance);
        _replicas.Add(replica);
        await replica.StartAsync(Cancellation);
    }

    private Task UntilAllAreDeliveredAsync() =>
        UntilAsync("SELECT count(*) FROM limit_events WHERE delivered_at IS NULL", 0);

    private async Task UntilAsync(string sql, long expected)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        patience.CancelAfter(Patience);
        while (await NumberAsync(sql) != expected)
        {
            await Task.Delay(20, patience.Token);
        }
    }

    private async Task<long> NumberAsync(string sql)
    {
        await using var command = _books.Database.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync(Cancellation))!;
    }

    private sealed record Sent(string Id, string Timestamp, string Signature, string Body, DateTimeOffset At);

    /// <summary>Somebody's webhook, over real HTTP.</summary>
    private sealed class Receiver : IAsyncDisposable
    {
        private readonly WebApplication _app;
        private Receiver(WebApplication app) => _app = app;

        public ConcurrentQueue<Sent> Requests { get; } = [];

        public Func<int, int> Answer { get; set; } = _ => StatusCodes.Status204NoContent;

        public TimeSpan Delay { get; set; }

        public string Url => _app.Urls.Single();

        public static async Task<Receiver> StartAsync(string url = "http://127.0.0.1:0")
        {
            var builder = WebApplication.CreateBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls(url);
            var app = builder.Build();
            var receiver = new Receiver(app);
            app.MapPost("/", receiver.TakeAsync);
            await app.StartAsync(Cancellation).WaitAsync(Patience);
            return receiver;
        }

        public async Task UntilAsync(int count)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
            patience.CancelAfter(Patience);
            while (Requests.Count < count)
            {
                await Task.Delay(20, patience.Token);
            }
        }

        public ValueTask DisposeAsync() => _app.DisposeAsync();

        private async Task TakeAsync(HttpContext http)
        {
            using var reader = new StreamReader(http.Request.Body);
            var body = await reader.ReadToEndAsync(http.RequestAborted);
            var headers = http.Request.Headers;
            Requests.Enqueue(new(
                headers["webhook-id"].ToString(), headers["webhook-timestamp"].ToString(),
                headers["webhook-signature"].ToString(), body, DateTimeOffset.UtcNow));
            var answer = Answer(Requests.Count);
            await Task.Delay(Delay, http.RequestAborted);
            http.Response.StatusCode = answer;
        }
    }
}
