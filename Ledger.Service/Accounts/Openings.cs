using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Diagnostics;
using Polly;

namespace Ledger.Service.Accounts;

/// <summary>
/// Asks Identity.Service what a new account starts with, and tells it what administrators do for its audit log.
/// </summary>
/// <param name="clients">The way there, under the name <see cref="ClientName"/>.</param>
internal sealed class Openings(IHttpClientFactory clients)
{
    /// <summary>The HTTP client that asks.</summary>
    public const string ClientName = "openings";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>The credits of a user who has none yet.</summary>
    /// <returns>Credits; null when there is no such user.</returns>
    /// <exception cref="TryLaterException">Identity.Service does not answer.</exception>
    public Task<long?> OfAsync(long user, CancellationToken cancellationToken) => AskAsync<long?>(
        "This account is new, and its user cannot be looked up now.",
        async (identity, patience) =>
        {
            using var answer = await identity.GetAsync($"users/{user}/opening", patience);
            if (answer.StatusCode is HttpStatusCode.NotFound)
            {
                return null;
            }

            answer.EnsureSuccessStatusCode();
            return (await answer.Content.ReadFromJsonAsync<Opening>(patience))!.Credits;
        },
        cancellationToken);

    /// <summary>Adds an entry to the audit log.</summary>
    /// <exception cref="TryLaterException">Identity.Service does not answer.</exception>
    public Task AuditAsync(AuditRequest entry, CancellationToken cancellationToken) => AskAsync(
        "What administrators do is written down first, and that cannot be done now.",
        async (identity, patience) =>
        {
            using var answer = await identity.PostAsJsonAsync("audit", entry, patience);
            return answer.EnsureSuccessStatusCode().StatusCode;
        },
        cancellationToken);

    private async Task<T> AskAsync<T>(
        string problem, Func<HttpClient, CancellationToken, Task<T>> ask, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            return await ask(clients.CreateClient(ClientName), patience.Token);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested
            && exception is HttpRequestException or JsonException or OperationCanceledException
                or ExecutionRejectedException) // Of the resilience handler: it gives up first.
        {
            throw new TryLaterException(
                "identity_unavailable", $"{problem} Nothing was done: try again shortly.", exception);
        }
    }

    private sealed record Opening(long Credits);
}

/// <summary>Something that passes is in the way. Nothing was written.</summary>
internal sealed class TryLaterException(string code, string message, Exception inner) : Exception(message, inner)
{
    public string Code => code;

    public static TryLaterException AccountLocked(Exception inner) => new(
        "account_locked", "Another request keeps this account busy. Nothing was done: try again shortly.", inner);
}

/// <summary>Answers 503.</summary>
internal sealed class TryLaterHandler(IProblemDetailsService problems, ILogger<TryLaterHandler> logger)
    : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(
        HttpContext context, Exception exception, CancellationToken cancellationToken)
    {
        if (exception is not TryLaterException later)
        {
            return false;
        }

        logger.LogWarning("{Code}: {Problem}", later.Code, later.InnerException?.Message);
        context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        context.Response.Headers.RetryAfter = "1";
        return await problems.TryWriteAsync(new()
        {
            HttpContext = context,
            ProblemDetails = { Detail = later.Message, Extensions = { ["code"] = later.Code } },
        });
    }
}
