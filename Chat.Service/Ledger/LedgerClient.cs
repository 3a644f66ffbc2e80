using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Chat.Service.Chats;
using Microsoft.AspNetCore.WebUtilities;

namespace Chat.Service.Ledger;

/// <summary>
/// Holds credits at Ledger.Service, and captures or releases them. What many chats ask for goes in batches. Every call
/// may be made twice, so one that is not answered soon is made again, at another replica where there is one.
/// </summary>
internal sealed class LedgerClient
{
    /// <summary>The name of its HTTP client.</summary>
    public const string ClientName = "ledger";

    /// <summary>How many holds one call renews.</summary>
    public const int MaxRenewed = HoldRenewal.MaxHolds;

    private const int MaxCalls = 2;

    /// <summary>
    /// How long each attempt waits, and how long it is put off: 9.5 s together, as an answer waits 10 s for its hold to
    /// end. The second goes to another replica at once; the later ones give a ledger that restarts the time for it.
    /// </summary>
    private static readonly (TimeSpan Patience, TimeSpan Pause)[] Attempts =
    [
        (TimeSpan.FromSeconds(1), TimeSpan.Zero),
        (TimeSpan.FromSeconds(2), TimeSpan.Zero),
        (TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(0.5)),
        (TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(2)),
    ];

    /// <summary>How often an item is sent whose account another transaction keeps locked.</summary>
    private const int MaxTries = 4;

    private static readonly TimeSpan BusyPause = TimeSpan.FromMilliseconds(200);

    private readonly IHttpClientFactory _clients;
    private readonly ILogger _logger;
    private readonly Batcher<HoldItem, HoldResult> _batches;

    /// <summary>Makes a client.</summary>
    /// <param name="clients">The ways to the ledger.</param>
    /// <param name="logger">Says what was not answered.</param>
    public LedgerClient(IHttpClientFactory clients, ILogger<LedgerClient> logger)
    {
        (_clients, _logger) = (clients, logger);
        _batches = new(
            async items => await PostAsync(
                "holds/batch", new(items), HoldJson.Default.HoldBatch, HoldJson.Default.ListHoldResult,
                CancellationToken.None),
            HoldBatch.MaxItems,
            MaxCalls);
    }

    /// <summary>Gets what the pauses between attempts are multiplied by: tests wait less.</summary>
    internal double PauseFactor { get; init; } = 1;

    /// <summary>Holds the most that a chat can cost.</summary>
    /// <param name="chat">The chat.</param>
    /// <param name="caller">Whose leaving takes it back as long as it was not sent.</param>
    /// <exception cref="OperationCanceledException">The caller has left, and nothing was sent.</exception>
    /// <exception cref="HttpRequestException">The ledger does not answer. It may be held all the same.</exception>
    public Task<HoldResult> HoldAsync(PendingChat chat, CancellationToken caller) =>
        CarryOutAsync(HoldItem.Hold(chat), caller);

    /// <summary>Takes what a stored chat has cost, and ends its hold.</summary>
    /// <param name="chat">The chat.</param>
    /// <returns>Whether it is paid for; otherwise the ledger knows neither a hold nor a transfer.</returns>
    /// <exception cref="HttpRequestException">
    /// The ledger does not answer, or could not do it. The hold may still be open.
    /// </exception>
    public async Task<bool> CaptureAsync(StoredChat chat) =>
        Settled(await CarryOutAsync(HoldItem.Capture(chat))).Outcome is not HoldOutcome.UnknownHold;

    /// <summary>
    /// Takes what a stored chat has cost for which nothing is held any more: by a hold and its capture in one batch,
    /// which take it once, however often they are sent.
    /// </summary>
    /// <param name="chat">The chat.</param>
    /// <returns>Captured; or why it is not.</returns>
    /// <exception cref="HttpRequestException">The ledger does not answer. It may be taken all the same.</exception>
    public async Task<HoldOutcome> ChargeAsync(StoredChat chat)
    {
        var results = await PostAsync(
            "holds/batch", new HoldBatch([HoldItem.HoldAgain(chat), HoldItem.Capture(chat)]),
            HoldJson.Default.HoldBatch, HoldJson.Default.ListHoldResult, CancellationToken.None);
        return results[0].Outcome is HoldOutcome.Held ? results[1].Outcome : results[0].Outcome;
    }

    /// <summary>Ends a hold of which nothing is taken. One that another request has stays as it is.</summary>
    /// <param name="hold">The hold.</param>
    /// <returns>Whether nothing is held under this id now, and nothing was taken.</returns>
    /// <exception cref="HttpRequestException">
    /// The ledger does not answer, or could not do it. The hold may still be open.
    /// </exception>
    public async Task<bool> ReleaseAsync(OpenHold hold) =>
        Settled(await CarryOutAsync(HoldItem.Release(hold))).Outcome is HoldOutcome.Released;

    /// <summary>Says that holds are still worked on.</summary>
    /// <param name="holds">Up to <see cref="MaxRenewed"/> of them.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The ids of those that are gone: captured, released, or another's.</returns>
    /// <exception cref="HttpRequestException">The ledger does not answer.</exception>
    public async Task<IReadOnlyList<HoldName>> RenewAsync(
        IEnumerable<PendingChat> holds, CancellationToken cancellationToken) => await PostAsync(
            "holds/renewal",
            new HoldRenewal([.. holds.Select(chat => new HeldBy(chat.UserId, chat.Id, chat.Holder))]),
            HoldJson.Default.HoldRenewal,
            HoldJson.Default.ListHoldName,
            cancellationToken);

    /// <summary>Open holds, page by page.</summary>
    /// <param name="account">Whose; everybody's when null.</param>
    /// <param name="notRenewedFor">How long ago they were renewed at least, by the ledger's clock.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="HttpRequestException">The ledger does not answer.</exception>
    public async IAsyncEnumerable<OpenHold> OpenAsync(
        long? account, TimeSpan notRenewedFor, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        OpenHold? last = null;
        while (true)
        {
            var path = QueryHelpers.AddQueryString("holds", new Dictionary<string, string?>
            {
                ["account"] = account?.ToString(CultureInfo.InvariantCulture),
                ["notRenewedFor"] = notRenewedFor.ToString("c", CultureInfo.InvariantCulture),
                ["afterAccount"] = last?.Account.ToString(CultureInfo.InvariantCulture),
                ["after"] = last?.Id.ToString(),
            });
            var page = await SendAsync(
                (client, patience) => client.GetAsync(path, patience), HoldJson.Default.ListOpenHold,
                cancellationToken);
            foreach (var hold in page)
            {
                yield return last = hold;
            }

            if (page.Count == 0)
            {
                yield break;
            }
        }
    }

    /// <summary>Carries out an item with others. One whose account is busy goes with a later batch.</summary>
    private async Task<HoldResult> CarryOutAsync(HoldItem item, CancellationToken unwanted = default)
    {
        for (var attempt = 1; ; attempt++)
        {
            var result = await _batches.AddAsync(item, unwanted);
            if (result.Outcome is not HoldOutcome.Failed || attempt == MaxTries)
            {
                return result;
            }

            await Task.Delay(BusyPause, unwanted);
        }
    }

    /// <summary>A failure is not the end of a hold. What is gone already is.</summary>
    private static HoldResult Settled(HoldResult result) => result.Outcome is HoldOutcome.Failed
        ? throw new HttpRequestException("The ledger could not end a hold.")
        : result;

    private Task<List<TResult>> PostAsync<TBody, TResult>(
        string path,
        TBody body,
        JsonTypeInfo<TBody> bodyType,
        JsonTypeInfo<List<TResult>> resultType,
        CancellationToken cancellationToken)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(body, bodyType);
        return SendAsync(Send, resultType, cancellationToken);

        Task<HttpResponseMessage> Send(HttpClient client, CancellationToken patience)
        {
            var content = new ByteArrayContent(json) { Headers = { ContentType = new("application/json") } };
            return client.PostAsync(path, content, patience);
        }
    }

    /// <summary>Sends a request until it is answered, each time to the next replica.</summary>
    private async Task<TResult> SendAsync<TResult>(
        Func<HttpClient, CancellationToken, Task<HttpResponseMessage>> send,
        JsonTypeInfo<TResult> type,
        CancellationToken cancellationToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(Attempts[attempt].Patience);
            try
            {
                using var response = await send(_clients.CreateClient(ClientName), patience.Token);
                response.EnsureSuccessStatusCode();
                return (await response.Content.ReadFromJsonAsync(type, patience.Token))!;
            }
            catch (Exception failed) when (!cancellationToken.IsCancellationRequested)
            {
                _logger.LogDebug(failed, "The ledger has not answered attempt {Attempt}", attempt + 1);
                if (attempt == Attempts.Length - 1)
                {
                    throw new HttpRequestException("The ledger does not answer.", failed);
                }
            }

            await Task.Delay(Attempts[attempt + 1].Pause * PauseFactor, cancellationToken);
        }
    }
}

/// <summary>How the ledger is spoken to.</summary>
[JsonSerializable(typeof(HoldBatch))]
[JsonSerializable(typeof(HoldRenewal))]
[JsonSerializable(typeof(List<HoldResult>))]
[JsonSerializable(typeof(List<HoldName>))]
[JsonSerializable(typeof(List<OpenHold>))]
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
internal sealed partial class HoldJson : JsonSerializerContext;

/// <summary>Registers the way to Ledger.Service.</summary>
internal static class LedgerClientExtensions
{
    /// <summary>
    /// Adds <see cref="LedgerClient"/>, which finds the ledger by service discovery and signs in as a service.
    /// </summary>
    /// <param name="builder">The service's builder.</param>
    public static void AddLedgerClient(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<LedgerClient>();
#pragma warning disable EXTEXP0001 // The client has attempts of its own: each goes to another replica.
        builder.Services.AddHttpClient(LedgerClient.ClientName, client => client.BaseAddress = new("http://ledger"))
            .RemoveAllResilienceHandlers()
            .AddClientCredentials("Ledger", "chat", Tokens.LedgerScope);
#pragma warning restore EXTEXP0001
    }
}
