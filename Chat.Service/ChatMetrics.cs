using System.Diagnostics.Metrics;

namespace Chat.Service;

/// <summary>What becomes of chats, in numbers. Names are lower case with dots, units as in UCUM.</summary>
internal sealed class ChatMetrics
{
    private readonly Counter<long> _replies;
    private readonly Counter<long> _swept;
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
        _unpaid = meter.CreateCounter<long>(
            "chat.unpaid", "{chat}", "Stored chats whose hold the ledger did not know: `reconcile` names them.");
    }

    /// <summary>Counts a message.</summary>
    /// <param name="status">What became of it.</param>
    /// <param name="model">Who was to answer.</param>
    public void Answered(string status, string model) => _replies.Add(
        1, new KeyValuePair<string, object?>("chat.status", status), new("chat.model", model));

    /// <summary>Counts a hold that a crash had left open.</summary>
    public void Swept() => _swept.Add(1);

    /// <summary>Counts a stored chat that is not paid for.</summary>
    public void Unpaid() => _unpaid.Add(1);
}
