using Microsoft.AspNetCore.Http.HttpResults;

namespace Chat.Service.Chats;

/// <summary>Messages without a reply, as problem details. <c>code</c> is for programs.</summary>
internal static class ChatProblems
{
    /// <summary>The answer to a message that was not answered.</summary>
    public static ProblemHttpResult Of(PaidReplyResult result, HttpResponse response)
    {
        if (result.Status is ReplyStatus.InProgress or ReplyStatus.LedgerUnavailable or ReplyStatus.StoreUnavailable)
        {
            response.Headers.RetryAfter = "1";
        }

        // Never said unless it is so.
        var charged = result.IsSettled
            ? "You were not charged."
            : "It is not settled yet whether you were charged; "
                + "send it again with the same Idempotency-Key to find out.";
        return result.Status switch
        {
            ReplyStatus.InsufficientTokens => Problems.Refusal(
                StatusCodes.Status402PaymentRequired, "insufficient_tokens", result.Problem ?? "Not enough tokens."),
            ReplyStatus.AccountClosed => Problems.Refusal(
                StatusCodes.Status409Conflict, "account_closed", "This account is closed. You were not charged."),
            ReplyStatus.KeyReused => Problems.Refusal(
                StatusCodes.Status409Conflict, "exists_with_different_content",
                "This Idempotency-Key was used before for another message. Nothing was written."),
            ReplyStatus.InProgress => Problems.Refusal(
                StatusCodes.Status409Conflict, "in_progress",
                "The request with this Idempotency-Key is being answered. Ask again shortly."),
            ReplyStatus.Refunded => Problems.Refusal(
                StatusCodes.Status409Conflict, "already_refunded",
                $"The request with this Idempotency-Key failed. {charged} To try again, use a new key."),
            ReplyStatus.ModelFailed => Problems.Refusal(
                StatusCodes.Status502BadGateway, "model_failed", $"The model failed. {charged}"),
            ReplyStatus.ModelTimedOut => Problems.Refusal(
                StatusCodes.Status504GatewayTimeout, "model_timed_out", $"The model took too long. {charged}"),
            ReplyStatus.LedgerUnavailable => Problems.Refusal(
                StatusCodes.Status503ServiceUnavailable, "ledger_unavailable",
                $"The ledger does not answer. {charged}"),
            _ => Problems.Refusal(
                StatusCodes.Status503ServiceUnavailable, "store_unavailable",
                $"The reply could not be stored. {charged}"),
        };
    }
}
