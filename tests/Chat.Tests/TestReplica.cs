using Chat.Service;
using Chat.Service.Charges;
using Chat.Service.Chats;
using Chat.Service.Ledger;
using Chat.Service.Models;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Chat.Tests;

/// <summary>What a replica of the service is made of as far as money goes, on a clock that a test moves.</summary>
internal sealed class TestReplica : IDisposable
{
    private static readonly TimeSpan Forever = TimeSpan.FromMinutes(10);

    private readonly ServiceProvider _services;
    private readonly ChatAnswers _answers;

    public TestReplica(
        NpgsqlDataSource database, LedgerClient ledger, ChatSettings? settings = null, TimeProvider? clock = null)
    {
        var options = Options.Create(settings ?? new ChatSettings());
        clock ??= new ManualClock();
        var metrics = TestMetrics.New();
        InFlight = new InFlight(options, clock);
        InFlight.Noted(clock.GetTimestamp());
        Reply = new PaidReply(
            new ChatStore(database),
            ledger,
            InFlight,
            metrics,
            options,
            new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance),
            NullLogger<PaidReply>.Instance);
        _answers = new ChatAnswers(new ChatStore(database), Reply, ledger);
        _services = new ServiceCollection().AddSingleton(Reply).AddSingleton(ledger).BuildServiceProvider();
        Reconciler = new Reconciler(
            _services,
            InFlight,
            new ReplicaNotes(database, options),
            options,
            metrics,
            clock,
            NullLogger<Reconciler>.Instance);
    }

    public TestReplica(ChatDatabase database, LedgerClient ledger) : this(database.Source, ledger)
    {
    }

    public InFlight InFlight { get; }

    public PaidReply Reply { get; }

    public Reconciler Reconciler { get; }

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    /// <summary>Answers a request of its own, unless the test never lets the model.</summary>
    public Task<PaidReplyResult> AnswerAsync(
        ChatCharge charge, ScriptedModel model, CancellationTokenSource? caller = null) => Reply.AnswerAsync(
        OfItsOwn(charge), NewPrompt(charge, model), sink: null, caller?.Token ?? CancellationToken).Soon();

    /// <summary>The same, with what became of the request's name before.</summary>
    public async Task<PaidReplyResult> AskAsync(ChatCharge charge, ScriptedModel model) => (await _answers.GetAsync(
        OfItsOwn(charge), NewPrompt(charge, model), sink: null, CancellationToken).Soon()).Result;

    /// <summary>Charges, and leaves the model to think for ever.</summary>
    public async Task LeaveAsync(params ChatCharge[] charges)
    {
        foreach (var charge in charges)
        {
            var model = ScriptedModel.NeverAnswers();
            _ = AnswerAsync(charge, model);
            await model.Asked.Soon();
        }
    }

    public Task NoteAsync() => Reconciler.WriteNoteAsync(CancellationToken).Soon();

    /// <summary>Looks after one dead replica.</summary>
    public Task<bool> BuryAsync() => Reconciler.BuryAsync(new HashSet<Guid>(), CancellationToken).Soon();

    public Task BuryAllAsync() => Reconciler.BuryAllAsync(CancellationToken).Soon();

    public Task SettleAsync() => Reconciler.SettleAsync(CancellationToken).Soon();

    private static ChatCharge OfItsOwn(ChatCharge charge) => charge with { Origin = Guid.CreateVersion7() };

    private static Prompt NewPrompt(ChatCharge charge, ScriptedModel model) =>
        new(new ChatModel("scripted", model, charge.Cost, Forever), [new(ChatRole.User, charge.Message)]);

    public void Dispose()
    {
        Reconciler.Dispose();
        _services.Dispose();
    }
}

/// <summary>A clock that moves when it is told to.</summary>
internal sealed class ManualClock : TimeProvider
{
    private long _ticks = TimeSpan.TicksPerDay;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public void Move(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);

    public override long GetTimestamp() => Volatile.Read(ref _ticks);

    public override DateTimeOffset GetUtcNow() => new(GetTimestamp(), TimeSpan.Zero);
}
