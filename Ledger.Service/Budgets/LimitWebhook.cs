using System.Globalization;
using System.Net.Mime;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Ledger.Service.Budgets;

/// <summary>
/// Sends events about limits to the webhook, each at least once and in no order, signed as Standard Webhooks has it
/// (https://www.standardwebhooks.com). A replica takes events with a lease, and holds no lock while it sends them.
/// What is not delivered when the lease ends is sent again by whichever replica comes first.
/// </summary>
internal sealed class LimitWebhook(
    NpgsqlDataSource database,
    IOptions<WebhookOptions> options,
    LedgerMetrics metrics,
    TimeProvider clock,
    ILogger<LimitWebhook> logger) : BackgroundService
{
    private const int MaxAtOnce = 16;

    /// <summary>
    /// $1 is the first lease; each is twice as long as the one before, up to an hour, for three days. New events go
    /// first.
    /// </summary>
    private const string TakeSql = """
        WITH due AS MATERIALIZED (
            SELECT account, kind, key_id, period, threshold FROM limit_events
            WHERE delivered_at IS NULL AND next_attempt_at <= now() AND created_at > now() - interval '3 days'
            ORDER BY attempts, next_attempt_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
        UPDATE limit_events e SET attempts = attempts + 1,
            next_attempt_at = now() + least($1 * 2 ^ least(attempts, 16), interval '1 hour')
        FROM due WHERE (e.account, e.kind, e.key_id, e.period, e.threshold)
            = (due.account, due.kind, due.key_id, due.period, due.threshold)
        RETURNING e.account, e.kind, e.key_id, e.period, e.threshold, e.most, e.spent, e.created_at,
            e.attempts, e.next_attempt_at
        """;

    private const string DeliveredSql = """
        UPDATE limit_events SET delivered_at = now()
        WHERE account = $1 AND kind = $2 AND key_id = $3 AND period = $4 AND threshold = $5
        """;

    /// <summary>While a limit's period lasts, its events must not be written again: a total's stay for ever.</summary>
    private const string ForgetSql =
        "DELETE FROM limit_events WHERE kind <> 'key_total' AND created_at < now() - interval '40 days'";

    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ForgetEvery = TimeSpan.FromHours(1);

    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        ActivityHeadersPropagator = null, // The receiver is somebody else.
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    })
    {
        Timeout = options.Value.Timeout,
    };

    public override void Dispose()
    {
        _http.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var forgotten = DateTimeOffset.MinValue;
        using var timer = new PeriodicTimer(Every, clock);
        do
        {
            try
            {
                if (clock.GetUtcNow() - forgotten >= ForgetEvery)
                {
                    await using var forget = database.CreateCommand(ForgetSql);
                    await forget.ExecuteNonQueryAsync(stoppingToken);
                    forgotten = clock.GetUtcNow();
                }

                while (options.Value.ToAddress() is { } url && await SendSomeAsync(url, stoppingToken) == MaxAtOnce)
                {
                    // There may be more.
                }
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                logger.LogWarning(exception, "Events about limits could not be sent; they will be tried again");
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    /// <returns>How many were due.</returns>
    private async Task<int> SendSomeAsync(Uri url, CancellationToken cancellationToken)
    {
        await using var take = database.Command(TakeSql, options.Value.Timeout * 2, MaxAtOnce);
        var due = await take.ReadAllAsync(
            row => new LimitEvent(
                row.GetInt64(0), row.GetString(1), row.GetInt64(2), row.GetFieldValue<DateOnly>(3), row.GetInt32(4),
                row.GetInt64(5), row.GetInt64(6), row.GetDateTime(7), row.GetInt32(8), row.GetDateTime(9), null),
            cancellationToken);
        await Task.WhenAll(due.Select(limit => SendAsync(url, limit, cancellationToken)));
        return due.Count;
    }

    private async Task SendAsync(Uri url, LimitEvent limit, CancellationToken cancellationToken)
    {
        var id = string.Create(
            CultureInfo.InvariantCulture,
            $"limit_{limit.Account}_{limit.Kind}_{limit.KeyId}_{limit.Period:yyyyMMdd}_{limit.Threshold}");
        var time = clock.GetUtcNow().ToUnixTimeSeconds();
        var body = JsonSerializer.Serialize(new
        {
            type = "limit.reached",
            timestamp = limit.CreatedAt.UtcDateTime,
            data = new
            {
                user = limit.Account,
                limit = limit.Kind,
                key = limit.KeyId,
                period = limit.Period,
                threshold = limit.Threshold,
                most = limit.Most,
                spent = limit.Spent,
            },
        });
        var signature = HMACSHA256.HashData(options.Value.ToKey(), Encoding.UTF8.GetBytes($"{id}.{time}.{body}"));
        using var request = new HttpRequestMessage(HttpMethod.Post, url);
        request.Headers.Add("webhook-id", id);
        request.Headers.Add("webhook-timestamp", $"{time}");
        request.Headers.Add("webhook-signature", $"v1,{Convert.ToBase64String(signature)}");
        request.Content = new StringContent(body, Encoding.UTF8, MediaTypeNames.Application.Json);
        try
        {
            using var answer = await _http.SendAsync(
                request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            answer.EnsureSuccessStatusCode();
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested
            && exception is HttpRequestException or OperationCanceledException)
        {
            logger.LogWarning("The webhook did not take {Event}: {Problem}", id, exception.Message);
            metrics.CountEvent(delivered: false);
            return;
        }

        await using var delivered = database.Command(
            DeliveredSql, limit.Account, limit.Kind, limit.KeyId, limit.Period, limit.Threshold);
        await delivered.ExecuteNonQueryAsync(CancellationToken.None); // Or it would be sent twice.
        metrics.CountEvent(delivered: true);
    }
}
