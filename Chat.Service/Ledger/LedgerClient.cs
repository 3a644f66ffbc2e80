using System.Net;
using System.Globalization;
using System.Runtime.CompilerServices;
using Chat.Service.Charges;

namespace Chat.Service.Ledger;

/// <summary>Charges and refunds at Ledger.Service. Both calls name the charge, so they may be repeated.</summary>
internal sealed class LedgerClient(HttpClient http)
{
    /// <summary>
    /// How often a request was sent. The resilience handler sends it again when an answer is lost or late.
    /// </summary>
    public static readonly HttpRequestOptionsKey<int> Attempts = new("Attempts");

    /// <summary>Charges a chat.</summary>
    /// <param name="charge">The charge.</param>
    /// <param name="cancellationToken">Ends the wait. The charge may be written all the same.</param>
    /// <returns>What became of it.</returns>
    /// <exception cref="HttpRequestException">The ledger failed; the charge may be written all the same.</exception>
    public async Task<ChargeResult> ChargeAsync(ChatCharge charge, CancellationToken cancellationToken)
    {
        using var response = await http.PutAsJsonAsync(
            $"charges/{charge.Id}",
            new ChargeBody(charge.UserId, charge.Cost, charge.Fingerprint, charge.Key, charge.Origin),
            cancellationToken);
        if (response.StatusCode is HttpStatusCode.Created or HttpStatusCode.OK)
        {
            var written = await response.Content.ReadFromJsonAsync<ChargeAnswer>(cancellationToken);
            // What was charged before may have been by this very request, the answer to which was lost.
            var isOurs = response.StatusCode is HttpStatusCode.Created || written!.Origin == charge.Origin;
            return new ChargeResult(isOurs ? ChargeStatus.Created : ChargeStatus.Exists, written!.Balance);
        }

        if (response.StatusCode is HttpStatusCode.PaymentRequired && WasRepeated(response))
        {
            // An earlier attempt may yet be written, of tokens that come meanwhile.
            throw new HttpRequestException($"The answer to charge {charge.Id} was lost.");
        }

        if (response.StatusCode is not (HttpStatusCode.PaymentRequired or HttpStatusCode.Conflict))
        {
            response.EnsureSuccessStatusCode();
        }

        var refusal = await response.Content.ReadFromJsonAsync<Refusal>(cancellationToken);
        return new ChargeResult(refusal?.Code switch
        {
            "insufficient_tokens" => ChargeStatus.InsufficientTokens,
            "key_limit_reached" => ChargeStatus.KeyLimitReached,
            "already_refunded" => ChargeStatus.AlreadyRefunded,
            "account_closed" => ChargeStatus.AccountClosed,
            _ => ChargeStatus.ExistsWithDifferentContent,
        }, Problem: refusal?.Detail);
    }

    /// <summary>
    /// Whether a charge was made by another request of the same name. If nobody has made it, nobody can from now on.
    /// </summary>
    /// <param name="charge">The charge.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="HttpRequestException">The ledger failed.</exception>
    public async Task<bool> IsAnothersAsync(ChatCharge charge, CancellationToken cancellationToken)
    {
        using var response = await http.PutAsync($"charges/{charge.Id}/void", content: null, cancellationToken);
        response.EnsureSuccessStatusCode();
        return response.StatusCode is not HttpStatusCode.NoContent
            && (await response.Content.ReadFromJsonAsync<ChargeAnswer>(cancellationToken))!.Origin != charge.Origin;
    }

    /// <summary>
    /// Gives a charge back. One that was never written cannot be written any more once this is answered: the ledger
    /// keeps its name.
    /// </summary>
    /// <param name="charge">The charge's name.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="HttpRequestException">The ledger failed.</exception>
    public async Task RefundAsync(Guid charge, CancellationToken cancellationToken)
    {
        using var response = await http.PutAsync($"charges/{charge}/refund", content: null, cancellationToken);
        // Not found is the ledger's word only when it says what.
        if (response.StatusCode is not HttpStatusCode.NotFound
            || await response.Content.ReadFromJsonAsync<Refusal>(cancellationToken) is not { Code: "unknown_charge" })
        {
            response.EnsureSuccessStatusCode();
        }
    }

    /// <summary>The charges of a time that are not given back, in pages.</summary>
    /// <param name="from">Their earliest time.</param>
    /// <param name="to">Their latest.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="HttpRequestException">The ledger failed.</exception>
    public async IAsyncEnumerable<IReadOnlyList<ChatCharge>> ChargesAsync(
        DateTimeOffset from, DateTimeOffset to, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var after = Guid.Empty;
        while (true)
        {
            var query = string.Create(
                CultureInfo.InvariantCulture, $"charges?from={from.UtcDateTime:O}&to={to.UtcDateTime:O}&after={after}");
            var page = await http.GetFromJsonAsync<List<OpenCharge>>(query, cancellationToken);
            if (page is not [.., var last])
            {
                yield break;
            }

            yield return page.ConvertAll(charge => new ChatCharge(charge.Id, charge.User, Message: "", charge.Amount));
            (from, after) = (last.Created, last.Id);
        }
    }

    private static bool WasRepeated(HttpResponseMessage response) =>
        response.RequestMessage!.Options.TryGetValue(Attempts, out var attempts) && attempts > 1;

    private sealed record ChargeBody(long User, long Amount, string Fingerprint, UsedApiKey? Key, Guid? Origin);

    private sealed record ChargeAnswer(long Balance, Guid? Origin);

    private sealed record OpenCharge(Guid Id, long User, long Amount, DateTimeOffset Created);

    private sealed record Refusal(string? Code, string? Detail);
}

/// <summary>What became of a charge.</summary>
internal enum ChargeStatus
{
    /// <summary>Charged, for this request.</summary>
    Created,

    /// <summary>Charged before, for another request with the same name and message.</summary>
    Exists,

    /// <summary>Charged before, for another message.</summary>
    ExistsWithDifferentContent,

    /// <summary>Charged and refunded before.</summary>
    AlreadyRefunded,

    /// <summary>The account is closed.</summary>
    AccountClosed,

    /// <summary>Too few tokens.</summary>
    InsufficientTokens,

    /// <summary>The API key may not spend that much more.</summary>
    KeyLimitReached,
}

/// <summary>What became of a charge.</summary>
/// <param name="Status">In a word.</param>
/// <param name="Balance">The user's tokens right after it.</param>
/// <param name="Problem">The ledger's sentence, when it refused.</param>
internal sealed record ChargeResult(ChargeStatus Status, long Balance = 0, string? Problem = null);
