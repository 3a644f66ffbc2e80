using Microsoft.AspNetCore.Http.HttpResults;

namespace Chat.Service.Chats;

/// <summary>Messages without a reply, as problem details. <c>code</c> is for programs.</summary>
internal static class ChatProblems
{
    /// <summary>The answers to messages that were not answered, for the description of the API.</summary>
    public static IEnumerable<ProblemHttpResult> All => Enum.GetValues<ReplyStatus>()
        .Where(status => status is not ReplyStatus.Stored)
        .Select(status => Of(new ChatResult(
            status, Hold: new(HoldOutcome.InsufficientTokens, Amount: 100, Balance: 150, Held: 100))))
        .Append(ModelNotAllowed("mock"));

    /// <summary>The answer to a message for a model that is not there.</summary>
    /// <param name="model">The model's name.</param>
    public static ProblemHttpResult UnknownModel(string model) => Problems.Refusal(
        StatusCodes.Status400BadRequest, "unknown_model",
        $"There is no model '{(model.Length > 100 ? model[..100] : model)}'. GET /api/v1/models lists them.");

    /// <summary>The answer to a message for a model that the API key may not use.</summary>
    /// <param name="model">The model's name.</param>
    public static ProblemHttpResult ModelNotAllowed(string model) => Problems.Refusal(
        StatusCodes.Status403Forbidden, "model_not_allowed",
        $"This API key may not use the model '{model}'. GET /api/v1/models lists those that it may.");

    /// <summary>The answer to a caller whose chats cannot be deleted now.</summary>
    public static ProblemHttpResult CannotDelete() => Problems.Refusal(
        StatusCodes.Status503ServiceUnavailable, "ledger_unavailable",
        "The ledger does not answer, so what is being answered cannot be stopped. Your stored chats were not deleted.");

    /// <summary>The answer to a caller who already reads as many exports as may be.</summary>
    public static ProblemHttpResult TooManyExports() => Problems.Refusal(
        StatusCodes.Status429TooManyRequests, "too_many_exports",
        "Too many of your exports are under way. Read one to its end, or close it, and try again.");

    /// <summary>The answer to a caller who already reads as many large pages as may be.</summary>
    public static ProblemHttpResult TooManyPages() => Problems.Refusal(
        StatusCodes.Status429TooManyRequests, "too_many_pages",
        "Too many pages of your chats are being read. Read one to its end, or close it, and try again.");

    /// <summary>The answer to a message that was not answered.</summary>
    /// <param name="result">Why.</param>
    /// <param name="response">Gets <c>Retry-After</c>, where that helps.</param>
    public static ProblemHttpResult Of(ChatResult result, HttpResponse response)
    {
        if (result.Status is ReplyStatus.InProgress or ReplyStatus.LedgerUnavailable or ReplyStatus.StoreUnavailable
            or ReplyStatus.TooManyChats or ReplyStatus.Draining)
        {
            response.Headers.RetryAfter = "1";
        }

        if (result.IsUntouched)
        {
            response.Headers[Draining.Header] = "true";
        }

        return Of(result);
    }

    /// <summary>The same, where an answer has begun already.</summary>
    /// <param name="result">Why.</param>
    public static ProblemHttpResult Of(ChatResult result)
    {
        // Never said unless it is so.
        var charged = result.IsSettled
            ? "You were not charged."
            : "It is not settled yet whether you were charged; what has no reply is given back within a minute.";
        return result.Status switch
        {
            ReplyStatus.InsufficientTokens => Problems.InsufficientTokens(
                result.Hold!.Amount, result.Hold.Available, result.Hold.Held),
            ReplyStatus.KeyLimitReached => Problems.KeyLimitReached(),
            ReplyStatus.BudgetReached => Problems.BudgetReached(),
            ReplyStatus.AccountClosed => Problems.Refusal(
                StatusCodes.Status409Conflict, "account_closed", "This account is closed. You were not charged."),
            ReplyStatus.UnknownAccount => Problems.Refusal(
                StatusCodes.Status403Forbidden, "unknown_account", "There is no such user any more."),
            ReplyStatus.TooManyChats => Problems.Refusal(
                StatusCodes.Status429TooManyRequests, "too_many_chats",
                $"Too many of your chats are being answered. {charged}"),
            ReplyStatus.KeyReused => Problems.Refusal(
                StatusCodes.Status409Conflict, "exists_with_different_content",
                "This Idempotency-Key was used before for another message. Nothing was written."),
            ReplyStatus.InProgress => Problems.Refusal(
                StatusCodes.Status409Conflict, "in_progress",
                "The request with this Idempotency-Key is being answered. Ask again shortly."),
            ReplyStatus.TooManyAttempts => Problems.Refusal(
                StatusCodes.Status409Conflict, "too_many_attempts",
                $"The request with this Idempotency-Key has failed too often. {charged} To try again, use a new key."),
            ReplyStatus.TooLate => Problems.Refusal(
                StatusCodes.Status504GatewayTimeout, "too_late",
                $"The reply came too late: it was deleted meanwhile, or given up. {charged}"),
            ReplyStatus.Draining => Problems.Refusal(
                StatusCodes.Status503ServiceUnavailable, "draining", $"The service restarts. {charged}"),
            ReplyStatus.ModelFailed => Problems.Refusal(
                StatusCodes.Status502BadGateway, "model_failed", $"The model failed. {charged}"),
            ReplyStatus.ModelTimedOut => Problems.Refusal(
                StatusCodes.Status504GatewayTimeout, "model_timed_out", $"The model took too long. {charged}"),
            ReplyStatus.LedgerUnavailable => Problems.Refusal(
                StatusCodes.Status503ServiceUnavailable, "ledger_unavailable",
                $"The ledger does not answer. {charged}"),
            ReplyStatus.CallerLeft => Problems.Refusal(
                StatusCodes.Status408RequestTimeout, "not_read", $"The reply was not read in time. {charged}"),
            _ => Problems.Refusal(
                StatusCodes.Status503ServiceUnavailable, "store_unavailable",
                $"The reply could not be stored. {charged}"),
        };
    }
}
