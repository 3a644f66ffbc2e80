using System.Diagnostics;
using Chat.Service;
using Chat.Service.Charges;
using Chat.Service.Chats;
using Chat.Service.Ledger;
using Chat.Service.Models;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Chat.Tests;

/// <summary>Charge if and only if a reply is stored (invariant 5), whatever fails.</summary>
public sealed class PaidReplyTests(ChatDatabase database) : IAsyncLifetime
{
    private const long User = 7;
    private const long Cost = 100;
    private const long Opening = 4000;

    private static readonly TimeSpan Forever = TimeSpan.FromMinutes(10);

    private readonly ChatCharge _charge = new(Guid.NewGuid(), User, "hello", Cost);
    private readonly HttpClient _http = new();
    private readonly LogLines _log = new();
    private readonly LoggerFactory _logging = new();
    private readonly InFlight _inFlight = NewInFlight();
    private TestLedger _ledger = null!;

    public async ValueTask InitializeAsync()
    {
        _ledger = await TestLedger.StartAsync();
        _http.BaseAddress = _ledger.Address;
        _logging.AddProvider(_log);
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        _logging.Dispose();
        await _ledger.DisposeAsync();
    }

    [Fact]
    public async Task Answer_WhenAllWorks_ChargesOnceAndStores()
    {
        var result = await AnswerAsync(ScriptedModel.Answers("hi"));

        Assert.Equal(ReplyStatus.Stored, result.Status);
        Assert.Equal(["charge"], _ledger.Asked);
        Assert.Equal(Opening - Cost, _ledger.Balance);
        var row = await RowAsync();
        Assert.Equivalent(row, result.Chat, strict: true);
        Assert.Equal(
            (ChatStatus.Completed, User, "hello", "hi", Cost, Opening - Cost),
            (row!.Status, row.UserId, row.Message, row.Response, row.Cost, row.Tokens));
    }

    [Theory]
    [InlineData(ActivityTraceFlags.Recorded, true, true)]
    [InlineData(ActivityTraceFlags.None, true, false)]
    [InlineData(ActivityTraceFlags.None, false, true)]
    [InlineData(null, true, true)]
    public async Task Answer_OfATrace_HasALineWhereTheTraceIsRecordedOrItWentWrong(
        ActivityTraceFlags? trace, bool goesWell, bool hasLine)
    {
        using var request = trace is { } flags ? new Activity("request") { ActivityTraceFlags = flags }.Start() : null;

        var result = await AnswerAsync(goesWell ? ScriptedModel.Answers("hi") : ScriptedModel.Fails());

        Assert.Equal(hasLine, HasLine(result.Status));
    }

    [Fact]
    public async Task Answer_ThatWasStoredWithAnotherRequest_HasALineWhateverTheTrace()
    {
        using var request = new Activity("request") { ActivityTraceFlags = ActivityTraceFlags.None }.Start();
        var stored = (await AnswerAsync(ScriptedModel.Answers("hi"))).Chat;
        Assert.False(HasLine(ReplyStatus.Stored));

        _ledger.BeforeCharge = TestLedger.Down;
        var result = await NewReply().AnswerAsync(
            _charge, NewPrompt(ScriptedModel.Fails()), sink: null, TestContext.Current.CancellationToken).Soon();

        Assert.Equal(stored!.Id, result.Chat!.Id);
        Assert.True(HasLine(ReplyStatus.Stored));
    }

    [Fact]
    public async Task Answer_WhenTheModelFails_IsRefundedOnceBehindATombstone()
    {
        var result = await AnswerAsync(ScriptedModel.Fails());
        Assert.Equal(ReplyStatus.ModelFailed, result.Status);
        await AssertUndoneAsync();
    }

    [Fact]
    public async Task Answer_WhenTheModelSaysNothing_IsRefunded()
    {
        var result = await AnswerAsync(ScriptedModel.Answers(""));
        Assert.Equal(ReplyStatus.ModelFailed, result.Status);
        await AssertUndoneAsync();
    }

    [Fact]
    public async Task Answer_WhenTheModelNeverAnswers_TimesOutAndIsRefunded()
    {
        var result = await AnswerAsync(ScriptedModel.NeverAnswers(), modelTimeout: TimeSpan.FromMilliseconds(1));
        Assert.Equal(ReplyStatus.ModelTimedOut, result.Status);
        await AssertUndoneAsync();
    }

    [Fact]
    public async Task Answer_WhenTheModelsOwnClientGivesUp_TimesOutAndIsRefunded()
    {
        var result = await AnswerAsync(new(_ => throw new TaskCanceledException("HttpClient.Timeout has passed.")));
        Assert.Equal(ReplyStatus.ModelTimedOut, result.Status);
        await AssertUndoneAsync();
    }

    [Fact]
    public async Task Answer_WhenTheCallerGoesWhileTheModelThinks_IsRefunded()
    {
        using var caller = new CancellationTokenSource();
        var model = ScriptedModel.NeverAnswers();
        var answer = AnswerAsync(model, caller: caller);
        await model.Asked.Soon();
        await caller.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => answer);
        await AssertUndoneAsync();
    }

    [Fact]
    public async Task Answer_WhenTheCallerGoesWhileTheLedgerCharges_IsRefunded()
    {
        using var caller = new CancellationTokenSource();
        _ledger.AfterCharge = async context =>
        {
            await caller.CancelAsync();
            // Held until the caller's side has hung up: the answer must not win against the cancellation.
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        };

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => AnswerAsync(ScriptedModel.Answers("hi"), caller: caller));
        await AssertUndoneAsync();
    }

    [Fact]
    public async Task Answer_WhenTheLedgersAnswerIsLost_IsRefunded()
    {
        _ledger.AfterCharge = TestLedger.LoseAnswer;
        var result = await AnswerAsync(ScriptedModel.Answers("hi"));
        Assert.Equal(ReplyStatus.LedgerUnavailable, result.Status);
        await AssertUndoneAsync();
    }

    [Fact]
    public async Task Answer_WhenTheLedgerFailsAfterTheCharge_IsRefunded()
    {
        _ledger.AfterCharge = TestLedger.Fail;
        var result = await AnswerAsync(ScriptedModel.Answers("hi"));
        Assert.Equal(ReplyStatus.LedgerUnavailable, result.Status);
        await AssertUndoneAsync();
    }

    [Fact]
    public async Task Answer_WhenTheLedgerFailsBeforeTheCharge_LeavesATombstoneAndNoCharge()
    {
        _ledger.BeforeCharge = TestLedger.Down;
        var result = await AnswerAsync(ScriptedModel.Answers("hi"));
        Assert.Equal(ReplyStatus.LedgerUnavailable, result.Status);
        await AssertUndoneAsync();
    }

    [Fact]
    public async Task Answer_WhenTheReplyCannotBeStored_IsRefunded()
    {
        var charge = _charge with { Message = ChatDatabase.Unstorable };
        var result = await AnswerAsync(ScriptedModel.Answers("hi"), charge);
        Assert.Equal(ReplyStatus.StoreUnavailable, result.Status);
        await AssertUndoneAsync();
    }

    [Fact]
    public async Task Answer_WithoutEnoughTokens_StoresNothingAndAsksNoModel()
    {
        _ledger.Balance = Cost - 1;
        var model = ScriptedModel.Answers("hi");
        var result = await AnswerAsync(model);

        Assert.Equal(ReplyStatus.InsufficientTokens, result.Status);
        Assert.Equal("The ledger says insufficient_tokens.", result.Problem);
        Assert.False(model.Asked.IsCompleted);
        Assert.Equal(["charge"], _ledger.Asked);
        Assert.Equal(Cost - 1, _ledger.Balance);
        Assert.Null(await RowAsync());
    }

    [Fact]
    public async Task Answer_ToAChargeThatIsUnderWay_DoesNotTouchIt()
    {
        var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var model = new ScriptedModel(_ => reply.Task);
        var first = AnswerAsync(model);
        await model.Asked.Soon();

        var second = await AnswerAsync(ScriptedModel.Fails());
        Assert.Equal(ReplyStatus.InProgress, second.Status);
        reply.SetResult("hi");
        Assert.Equal(ReplyStatus.Stored, (await first).Status);
        Assert.Equal(["charge", "charge"], _ledger.Asked);
        Assert.Equal(Opening - Cost, _ledger.Balance);
    }

    [Fact]
    public async Task Answer_ToARefundedCharge_IsRefusedAndNothingIsCharged()
    {
        await AnswerAsync(ScriptedModel.Fails());
        var model = ScriptedModel.Answers("hi");
        Assert.Equal(ReplyStatus.Refunded, (await AnswerAsync(model)).Status);
        Assert.False(model.Asked.IsCompleted);
        Assert.Equal(["charge", "refund", "charge"], _ledger.Asked);
        Assert.Equal(Opening, _ledger.Balance);
    }

    [Fact]
    public async Task Answer_ToAChargeOfAnotherMessage_IsRefusedAndNothingIsCharged()
    {
        await AnswerAsync(ScriptedModel.Answers("hi"));
        var other = await AnswerAsync(ScriptedModel.Answers("hi"), _charge with { Message = "something else" });
        Assert.Equal(ReplyStatus.KeyReused, other.Status);
        Assert.Equal(Opening - Cost, _ledger.Balance);
        Assert.Equal("hello", (await RowAsync())!.Message);
    }

    [Fact]
    public async Task Completion_AfterTheTombstone_IsNeitherStoredNorCharged()
    {
        var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var model = new ScriptedModel(_ => reply.Task);
        var late = AnswerAsync(model);
        await model.Asked.Soon();

        // What a reconciler does that takes this request for dead.
        var cancellationToken = TestContext.Current.CancellationToken;
        Assert.True(await new ChatStore(database.Source).AddTombstoneAsync(_charge, cancellationToken).Soon());
        _ledger.Refund(_charge.Id);
        reply.SetResult("too late");

        var result = await late;
        Assert.Equal((ReplyStatus.TooLate, null), (result.Status, result.Chat));
        Assert.Equal(Opening, _ledger.Balance);
        Assert.Equal(ChatStatus.Refunded, (await RowAsync())!.Status);
    }

    [Fact]
    public async Task Refund_WhenItIsAskedFor_FindsTheTombstoneInPlace()
    {
        StoredChat? found = null;
        _ledger.BeforeRefund = async _ => found = await RowAsync();
        await AnswerAsync(ScriptedModel.Fails());
        Assert.Equal(ChatStatus.Refunded, found?.Status);
        await AssertUndoneAsync();
    }

    [Fact]
    public async Task Refund_WithoutATombstone_IsNotAskedFor()
    {
        // Nothing listens on port 1. What is charged now is for the reconciler to give back.
        await using var unreachable = NpgsqlDataSource.Create("Host=127.0.0.1;Port=1;Timeout=5");
        var result = await AnswerAsync(ScriptedModel.Answers("hi"), source: unreachable);
        Assert.Equal(ReplyStatus.StoreUnavailable, result.Status);
        Assert.Equal(["charge"], _ledger.Asked);
    }

    [Fact]
    public async Task Undo_WhenTheChatTurnsOutToBeStored_AnswersWithIt()
    {
        var stored = (await AnswerAsync(ScriptedModel.Answers("hi"))).Chat;
        var result = await NewReply()
            .UndoAsync(_charge, ReplyStatus.StoreUnavailable, TestContext.Current.CancellationToken).Soon();
        Assert.Equal((ReplyStatus.Stored, stored!.Id), (result.Status, result.Chat!.Id));
        Assert.Equal(Opening - Cost, _ledger.Balance);
    }

    [Fact]
    public async Task Undo_CutOffBehindTheTombstone_IsFinishedByTheNextOne()
    {
        _ledger.BeforeRefund = TestLedger.Down;
        Assert.False((await AnswerAsync(ScriptedModel.Fails())).IsSettled);
        Assert.Equal(Opening - Cost, _ledger.Balance);

        _ledger.BeforeRefund = _ => Task.CompletedTask;
        var result = await NewReply()
            .UndoAsync(_charge, ReplyStatus.Refunded, TestContext.Current.CancellationToken).Soon();
        Assert.True(result.IsSettled);
        Assert.Equal(Opening, _ledger.Balance);
    }

    [Fact]
    public async Task Answer_WhenTheServiceStopsWhileTheModelThinks_IsRefunded()
    {
        var lifetime = new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance);
        var model = ScriptedModel.NeverAnswers();
        var answer = NewReply(lifetime: lifetime)
            .AnswerAsync(_charge, NewPrompt(model), sink: null, TestContext.Current.CancellationToken);
        await model.Asked.Soon();
        lifetime.StopApplication();
        Assert.True((await answer.Soon()).IsSettled);
        await AssertUndoneAsync();
    }

    [Fact]
    public async Task Refund_ThatFails_LeavesTheTombstoneAndTheReasonForNoReply()
    {
        _ledger.BeforeRefund = TestLedger.Down;
        var result = await AnswerAsync(ScriptedModel.Fails());
        Assert.Equal(ReplyStatus.ModelFailed, result.Status);
        Assert.Equal(ChatStatus.Refunded, (await RowAsync())!.Status);
    }

    private async Task<PaidReplyResult> AnswerAsync(
        ScriptedModel model,
        ChatCharge? charge = null,
        NpgsqlDataSource? source = null,
        TimeSpan? modelTimeout = null,
        CancellationTokenSource? caller = null,
        IReplySink? sink = null)
    {
        var gone = caller?.Token ?? TestContext.Current.CancellationToken;
        return await NewReply(source)
            .AnswerAsync(
                (charge ?? _charge) with { Origin = Guid.CreateVersion7() }, NewPrompt(model, modelTimeout), sink, gone)
            .Soon();
    }

    private bool HasLine(ReplyStatus status) => _log.ToString().Contains(
        $"Information {status}: charge {_charge.Id} of user {User}, model scripted", StringComparison.Ordinal);

    private static Prompt NewPrompt(ScriptedModel model, TimeSpan? timeout = null) =>
        new(new ChatModel("scripted", model, Cost, timeout ?? Forever), [new(ChatRole.User, "hello")]);

    private static InFlight NewInFlight()
    {
        var clock = new ManualClock();
        var inFlight = new InFlight(Options.Create(new ChatSettings()), clock);
        inFlight.Noted(clock.GetTimestamp());
        return inFlight;
    }

    private PaidReply NewReply(NpgsqlDataSource? source = null, ApplicationLifetime? lifetime = null) => new(
            new ChatStore(source ?? database.Source),
            new LedgerClient(_http),
            _inFlight,
            TestMetrics.New(),
            Options.Create(new ChatSettings { MaxReplyLength = 100 }),
            lifetime ?? new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance),
            new Logger<PaidReply>(_logging));

    /// <summary>The user has all tokens, the refund was asked for once, and the tombstone stands.</summary>
    private async Task AssertUndoneAsync()
    {
        Assert.Equal(["charge", "refund"], _ledger.Asked);
        Assert.Equal(Opening, _ledger.Balance);
        var row = await RowAsync();
        Assert.Equal((ChatStatus.Refunded, "", null, null), (row!.Status, row.Message, row.Response, row.Tokens));
    }

    private async Task<StoredChat?> RowAsync()
    {
        await using var db = database.CreateContext();
        return await db.Chats.AsNoTracking()
            .SingleOrDefaultAsync(chat => chat.ChargeId == _charge.Id, TestContext.Current.CancellationToken).Soon();
    }
}
