using System.Diagnostics.Metrics;
using Chat.Service.Chats;

namespace Chat.Service;

/// <summary>What becomes of chats, in numbers. Names are lower case with dots, units as in UCUM.</summary>
internal sealed class ChatMetrics
{
    private readonly Counter<long> _replies;
    private readonly Counter<long> _swept;
    private readonly Counter<long> _tokens;
    private readonly Counter<long> _credits;
    private readonly Counter<long> _uncharged;
    private readonly Counter<long> _estimated;
    private readonly Histogram<double> _firstPiece;
    private readonly Counter<long> _unpaid;

    /// <summary>Makes the instruments.</summary>
    /// <param name="meters">Makes the meter.</param>
    /// <param name="environment">Names it: ServiceDefaults exports the meter of the application's name.</param>
    public ChatMetrics(IMeterFactory meters, IHostEnvironment environment)
    {
        var meter = meters.Create(environment.ApplicationName);
        _replies = meter.CreateCounter<long>(
            "chat.replies", "{chat}", "Messages, by what became of them (chat.status) and by model.");
        _swept = meter.CreateCounter<long>(
            "chat.holds.swept", "{hold}", "Holds that nobody worked on any more, settled by what is stored.");
        _tokens = meter.CreateCounter<long>(
            "chat.model.tokens", "{token}", "The models' tokens of stored chats, by model and kind (chat.token.type).");
        _credits = meter.CreateCounter<long>("chat.credits", "{credit}", "What stored chats have cost, by model.");
        _uncharged = meter.CreateCounter<long>(
            "chat.credits.uncharged", "{credit}", "What stored chats cost above what was held, by model.");
        _estimated = meter.CreateCounter<long>(
            "chat.usage.estimated", "{chat}", "Stored chats whose endpoint did not report its tokens, by model.");
        _firstPiece = meter.CreateHistogram<double>(
            "chat.first_piece.duration", "s", "How long models took to their first piece of text.");
        _unpaid = meter.CreateCounter<long>(
            "chat.unpaid", "{chat}", "Stored chats whose hold the ledger did not know: `reconcile` names them.");
    }

    /// <summary>Counts a message.</summary>
    /// <param name="status">What became of it.</param>
    /// <param name="model">Who was to answer.</param>
    public void Answered(string status, string model) => _replies.Add(
        1, new KeyValuePair<string, object?>("chat.status", status), new("chat.model", model));

    /// <summary>Counts what a stored chat has used.</summary>
    /// <param name="chat">The chat.</param>
    public void Used(AnsweredChat chat)
    {
        KeyValuePair<string, object?> model = new("chat.model", chat.Model.Name);
        var usage = chat.Reply.Usage;
        _tokens.Add(usage.InputTokens - usage.CachedTokens, model, new("chat.token.type", "input"));
        _tokens.Add(usage.CachedTokens, model, new("chat.token.type", "cached_input"));
        _tokens.Add(usage.OutputTokens, model, new("chat.token.type", "output"));
        _credits.Add(chat.Cost, model);
        _uncharged.Add(chat.Price - chat.Cost, model);
        _estimated.Add(usage.IsEstimated ? 1 : 0, model);
        _firstPiece.Record(chat.Reply.FirstPieceAfter.TotalSeconds, model);
    }

    /// <summary>Counts a hold that a crash had left open.</summary>
    public void Swept() => _swept.Add(1);

    /// <summary>Counts a stored chat that is not paid for.</summary>
    public void Unpaid() => _unpaid.Add(1);
}
