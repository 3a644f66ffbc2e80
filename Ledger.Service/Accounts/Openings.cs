using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Diagnostics;
using Polly;

namespace Ledger.Service.Accounts;

/// <summary>Asks Identity.Service what a new account starts with.</summary>
/// <param name="clients">The way there, under the name <see cref="ClientName"/>.</param>
internal sealed class Openings(IHttpClientFactory clients)
{
    /// <summary>The HTTP client that asks.</summary>
    public const string ClientName = "openings";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>The credits of a user who has none yet.</summary>
    /// <returns>Credits; null when there is no such user.</returns>
    /// <exception cref="TryLaterException">Identity.Service does not answer.</exception>
    public async Task<long?> OfAsync(long user, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            using var answer = await clients.CreateClient(ClientName).GetAsync($"users/{user}/opening", patience.Token);
            if (answer.StatusCode is HttpStatusCode.NotFound)
            {
                return null;
            }

            answer.EnsureSuccessStatusCode();
            return (await answer.Content.ReadFromJsonAsync<Opening>(patience.Token))!.Credits;
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested
            && exception is HttpRequestException or JsonException or OperationCanceledException
                or ExecutionRejectedException) // Of the resilience handler: it gives up first.
        {
            throw new TryLaterException(
                "identity_unavailable",
                "This account is new, and its user cannot be looked up now. Nothing was done: try again shortly.",
                exception);
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
