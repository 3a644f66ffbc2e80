using System.Diagnostics;
using Chat.Service;
using Chat.Service.Chats;
using Chat.Service.Conversations;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Chat.Tests;

/// <summary>A chat is paid for if and only if its reply is stored (invariant 5), whatever fails.</summary>
public sealed class ChatPipelineTests(ChatDatabase database) : IAsyncLifetime
{
    private const long User = 7;
    private const long Cost = 100;
    private const long Opening = 4000;

    /// <summary>Nothing listens on port 1.</summary>
    private const string Unreachable = "Host=127.0.0.1;Port=1;Timeout=5";

    private readonly PendingChat _chat = new(Guid.NewGuid(), User, "hello") { Most = Cost };
    private readonly LogLines _log = new();
    private readonly LoggerFactory _logging = new();
    private TestLedger _ledger = null!;
    private TestReplica _replica = null!;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _logging.AddProvider(_log);
        _ledger = await TestLedger.StartAsync();
        _replica = NewReplica(database.Source);
    }

    public async ValueTask DisposeAsync()
    {
        _replica.Dispose();
        _logging.Dispose();
        await _ledger.DisposeAsync();
    }

    [Fact]
    public async Task Chat_WhenAllWorks_IsHeldStoredAndCaptured()
    {
        var result = await _replica.AnswerAsync(_chat, ScriptedModel.Answers("hi"));

        Assert.Equal(ReplyStatus.Stored, result.Status);
        var row = await RowAsync();
        Assert.Equivalent(row, result.Chat, strict: true);
        Assert.Equal(
            (ChatStatus.Completed, User, "hello", "hi", Cost, Opening - Cost),
            (row!.Status, row.UserId, row.Message, row.Response, row.Cost, row.Tokens));
        await AssertCapturedAsync();
        Assert.Equal(["hold", "capture"], _ledger.Asked);
    }

    /// <summary>The hold is as good as the charge: nobody waits for the capture.</summary>
    [Fact]
    public async Task Chat_IsAnsweredBeforeItsCapture()
    {
        var capture = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _ledger.Before["capture"] = _ => capture.Task;
        var result = await _replica.AnswerAsync(_chat, ScriptedModel.Answers("hi"));
        Assert.Equal((ReplyStatus.Stored, Opening - Cost), (result.Status, result.Chat!.Tokens));
        Assert.False(_ledger.IsCaptured(User, _chat.Id));
        capture.SetResult();
        await AssertCapturedAsync();
    }

    [Theory]
    [InlineData(ActivityTraceFlags.Recorded, true, true)]
    [InlineData(ActivityTraceFlags.None, true, false)]
    [InlineData(ActivityTraceFlags.None, false, true)]
    [InlineData(null, true, true)]
    public async Task Chat_OfATrace_HasALineWhereTheTraceIsRecordedOrItWentWrong(
        ActivityTraceFlags? trace, bool goesWell, bool hasLine)
    {
        using var request = trace is { } flags ? new Activity("request") { ActivityTraceFlags = flags }.Start() : null;

        var result = await _replica.AnswerAsync(
            _chat, goesWell ? ScriptedModel.Answers("hi") : ScriptedModel.Fails());

        Assert.Equal(hasLine, _log.ToString().Contains(
            $"Information {result.Status}: chat {_chat.Id} of user {User}, model scripted", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Chat_WhoseModelFails_IsReleasedAndLeavesNoTrace()
    {
        var result = await _replica.AnswerAsync(_chat, ScriptedModel.Fails());
        Assert.Equal(ReplyStatus.ModelFailed, result.Status);
        await AssertReleasedAsync(result);
    }

    /// <summary>EF wraps what it gives up on, with retries and without.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Chat_WhoseConversationCannotBeRead_HoldsNothingAndIsNotTheModelsFault(bool isRetried)
    {
        var options = new DbContextOptionsBuilder<ChatDb>().UseNpgsql(Unreachable, npgsql =>
        {
            if (isRetried)
            {
                npgsql.EnableRetryOnFailure(1, TimeSpan.Zero, errorCodesToAdd: null);
            }
        });
        await using var db = new ChatDb(options.Options);
        var memory = new Memory(db, Options.Create(new ChatSettings())).Of(User, Guid.NewGuid(), length: 5);
        var result = await _replica.AnswerAsync(_chat, ScriptedModel.Answers("hi"), memory: memory);
        Assert.Equal((ReplyStatus.StoreUnavailable, true), (result.Status, result.IsSettled));
        Assert.Empty(_ledger.Asked);
    }

    [Fact]
    public async Task Chat_WhoseModelSaysNothing_IsReleased()
    {
        var result = await _replica.AnswerAsync(_chat, ScriptedModel.Answers(""));
        Assert.Equal(ReplyStatus.ModelFailed, result.Status);
        await AssertReleasedAsync(result);
    }

    [Fact]
    public async Task Chat_WhoseModelNeverAnswers_TimesOutAndIsReleased()
    {
        var result = await _replica.AnswerAsync(
            _chat, ScriptedModel.NeverAnswers(), timeout: TimeSpan.FromMilliseconds(1));
        Assert.Equal(ReplyStatus.ModelTimedOut, result.Status);
        await AssertReleasedAsync(result);
    }

    [Fact]
    public async Task Chat_WhoseModelsOwnClientGivesUp_TimesOutAndIsReleased()
    {
        var result = await _replica.AnswerAsync(
            _chat, new(_ => throw new TaskCanceledException("HttpClient.Timeout has passed.")));
        Assert.Equal(ReplyStatus.ModelTimedOut, result.Status);
        await AssertReleasedAsync(result);
    }

    [Fact]
    public async Task Chat_WhoseCallerLeavesWhileTheModelThinks_IsReleased()
    {
        using var caller = new CancellationTokenSource();
        var model = ScriptedModel.NeverAnswers();
        var answer = _replica.AnswerAsync(_chat, model, caller);
        await model.Asked.Soon();
        await caller.CancelAsync();

        Assert.Equal(ReplyStatus.CallerLeft, (await answer).Status);
        await AssertReleasedAsync(await answer);
    }

    /// <summary>A hold that nobody waits for any more.</summary>
    [Fact]
    public async Task Chat_WhoseCallerLeavesWhileTheLedgerHolds_IsReleased()
    {
        using var caller = new CancellationTokenSource();
        _ledger.After["hold"] = _ => caller.CancelAsync();
        var result = await _replica.AnswerAsync(_chat, ScriptedModel.NeverAnswers(), caller);
        Assert.Equal(ReplyStatus.CallerLeft, result.Status);
        await AssertReleasedAsync(result);
    }

    [Fact]
    public async Task Chat_WhoseCallerHasLeftBeforeTheHoldIsSent_HoldsNothing()
    {
        using var caller = new CancellationTokenSource();
        await caller.CancelAsync();
        var result = await _replica.AnswerAsync(_chat, ScriptedModel.Answers("hi"), caller);
        Assert.Equal(ReplyStatus.CallerLeft, result.Status);
        Assert.Empty(_ledger.Asked);
    }

    [Theory]
    [InlineData("lost")]
    [InlineData("failed after")]
    [InlineData("failed before")]
    public async Task Chat_WhoseHoldIsNotAnswered_IsReleasedByItsHolder(string how)
    {
        Func<HttpContext, Task> fails = how switch
        {
            "lost" => TestLedger.LoseAnswer,
            "failed after" => TestLedger.Fail,
            _ => TestLedger.Down,
        };
        (how is "failed before" ? _ledger.Before : _ledger.After)["hold"] = fails;
        var model = ScriptedModel.Answers("hi");
        var result = await _replica.AnswerAsync(_chat, model);
        Assert.Equal(ReplyStatus.LedgerUnavailable, result.Status);
        Assert.False(model.Asked.IsCompleted);
        await AssertReleasedAsync(result);
    }

    /// <summary>An earlier attempt of the same call may have held.</summary>
    [Fact]
    public async Task Chat_WhoseHoldFailsAtTheLedger_IsReleasedByItsHolder()
    {
        _ledger.After["hold"] = context =>
        {
            context.Response.ContentType = "application/json";
            return context.Response.WriteAsync("""[{"outcome":"failed","amount":100,"balance":0,"held":0}]""");
        };
        var result = await _replica.AnswerAsync(_chat, ScriptedModel.Answers("hi"));
        Assert.Equal(ReplyStatus.LedgerUnavailable, result.Status);
        await AssertReleasedAsync(result);
    }

    /// <summary>The same call again finds its own hold.</summary>
    [Theory]
    [InlineData("hold")]
    [InlineData("capture")]
    public async Task Chat_WhoseLedgersAnswerIsLostOnce_IsPaidForOnce(string operation)
    {
        _ledger.After[operation] = context =>
        {
            _ledger.Recover();
            return TestLedger.LoseAnswer(context);
        };
        var result = await _replica.AnswerAsync(_chat, ScriptedModel.Answers("hi"));
        Assert.Equal(ReplyStatus.Stored, result.Status);
        await AssertCapturedAsync();
        Assert.Equal(Opening - Cost, _ledger.Balance);
    }

    /// <summary>The chat is not stored, so a tombstone comes first, and then the release.</summary>
    [Fact]
    public async Task Chat_ThatCannotBeStored_IsReleasedBehindATombstone()
    {
        ChatStatus? found = null;
        _ledger.Before["release"] = async _ => found = (await RowAsync())?.Status;
        var result = await _replica.AnswerAsync(
            _chat with { Message = ChatDatabase.Unstorable }, ScriptedModel.Answers("hi"));
        Assert.Equal((ReplyStatus.StoreUnavailable, true), (result.Status, result.IsSettled));
        Assert.Equal(ChatStatus.Tombstone, found);
        Assert.Equal((Opening, 0), (_ledger.Balance, _ledger.Held));
    }

    /// <summary>Whether it is stored is not known, so nothing is released; the sweep will find out.</summary>
    [Fact]
    public async Task Chat_WhoseStoreIsAway_KeepsItsHoldAndIsNotSettled()
    {
        await using var unreachable = NpgsqlDataSource.Create(Unreachable);
        using var replica = NewReplica(unreachable);
        var result = await replica.AnswerAsync(_chat, ScriptedModel.Answers("hi"));
        Assert.Equal((ReplyStatus.StoreUnavailable, false), (result.Status, result.IsSettled));
        Assert.Equal(["hold"], _ledger.Asked);
        Assert.True(_ledger.IsHeld(User, _chat.Id));
        Assert.False(replica.Running.Contains(_chat.Holder));
        Assert.Contains("not settled yet", ChatProblems.Of(result).ProblemDetails.Detail!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Chat_WithoutEnoughCredits_AsksNoModelAndSaysWhatIsMissing()
    {
        _ledger.Balance = 250;
        await _replica.LeaveAsync(new PendingChat(Guid.NewGuid(), User, "hello") { Most = 200 });
        var model = ScriptedModel.Answers("hi");
        var result = await _replica.AnswerAsync(_chat, model);

        Assert.Equal(ReplyStatus.InsufficientTokens, result.Status);
        Assert.False(model.Asked.IsCompleted);
        Assert.Null(await RowAsync());
        var problem = ChatProblems.Of(result).ProblemDetails;
        Assert.Equal(402, problem.Status);
        Assert.Equal(
            (100L, 50L, 200L),
            (problem.Extensions["needed"], problem.Extensions["available"], problem.Extensions["held"]));
    }

    [Fact]
    public async Task Chat_UnderWay_IsNotTouchedByAnotherWithItsId()
    {
        var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var model = new ScriptedModel(_ => reply.Task);
        var first = _replica.AnswerAsync(_chat, model);
        await model.Asked.Soon();

        Assert.Equal(
            ReplyStatus.InProgress, (await _replica.AnswerAsync(_chat, ScriptedModel.Fails())).Status);
        reply.SetResult("hi");
        Assert.Equal(ReplyStatus.Stored, (await first).Status);
        await AssertCapturedAsync();
    }

    [Fact]
    public async Task Chat_WhoseIdIsAnotherMessages_IsRefusedAndNothingIsHeld()
    {
        await _replica.AnswerAsync(_chat, ScriptedModel.Answers("hi"));
        await AssertCapturedAsync();
        var other = await _replica.AnswerAsync(_chat with { Message = "something else" }, ScriptedModel.Answers("hi"));
        Assert.Equal(ReplyStatus.KeyReused, other.Status);
        Assert.Equal((Opening - Cost, 0), (_ledger.Balance, _ledger.Held));
        Assert.Equal("hello", (await RowAsync())!.Message);
    }

    /// <summary>Another replica took this one for dead.</summary>
    [Fact]
    public async Task Chat_ThatEndsAfterItsTombstone_IsNeitherStoredNorPaid()
    {
        var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var model = new ScriptedModel(_ => reply.Task);
        var late = _replica.AnswerAsync(_chat, model);
        await model.Asked.Soon();
        await _replica.Store.AddTombstoneAsync(_chat.ToHold(), CancellationToken).Soon();
        reply.SetResult("too late");

        var result = await late;
        Assert.Equal((ReplyStatus.TooLate, null, true), (result.Status, result.Chat, result.IsSettled));
        Assert.Equal((Opening, 0), (_ledger.Balance, _ledger.Held));
        Assert.Equal(ChatStatus.Tombstone, (await RowAsync())!.Status);
    }

    [Fact]
    public async Task Chat_WhoseReleaseFails_SaysThatItIsNotSettled()
    {
        _ledger.Before["release"] = TestLedger.Down;
        var result = await _replica.AnswerAsync(_chat, ScriptedModel.Fails());
        Assert.Equal((ReplyStatus.ModelFailed, false), (result.Status, result.IsSettled));
        Assert.True(_ledger.IsHeld(User, _chat.Id));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Chat_UnderWayWhenTheServiceStops_MayEndInTimeAndIsCutAfter(bool endsInTime)
    {
        using var replica = NewReplica(database.Source, endsInTime ? TimeSpan.FromMinutes(5) : TimeSpan.Zero);
        var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var model = new ScriptedModel(_ => reply.Task);
        var answer = replica.AnswerAsync(_chat, model);
        await model.Asked.Soon();
        var drained = StopAsync(replica, leaveFor: TimeSpan.Zero);

        var refused = await replica.AnswerAsync(
            PendingChat.New(User, "chat", $"{Guid.NewGuid()}", "hello") with { Most = Cost },
            ScriptedModel.Answers("hi"));
        Assert.Equal((ReplyStatus.Draining, true), (refused.Status, refused.IsUntouched));
        Assert.Contains("restarts", ChatProblems.Of(refused).ProblemDetails.Detail!, StringComparison.Ordinal);
        if (endsInTime)
        {
            Assert.False(drained.IsCompleted);
            reply.SetResult("hi");
        }

        Assert.Equal(endsInTime ? ReplyStatus.Stored : ReplyStatus.Draining, (await answer).Status);
        await drained.Soon();
    }

    /// <summary>The gateways have not heard of it yet, and cannot send every request to another replica.</summary>
    [Fact]
    public async Task Chat_SentRightAfterTheServiceIsToldToStop_IsAnswered()
    {
        var drained = StopAsync(_replica, leaveFor: TimeSpan.FromMinutes(5));
        Assert.Equal(ReplyStatus.Stored, (await _replica.AnswerAsync(_chat, ScriptedModel.Answers("hi"))).Status);
        Assert.False(drained.IsCompleted);
    }

    private static Task StopAsync(TestReplica replica, TimeSpan leaveFor)
    {
        replica.Lifetime.StopApplication();
        return new Drain(replica.Running, Options.Create(new ChatSettings { LeaveFor = leaveFor }))
            .StoppingAsync(CancellationToken);
    }

    private TestReplica NewReplica(NpgsqlDataSource source, TimeSpan? drainFor = null) => new(
        source,
        _ledger.Address,
        new ChatSettings { MaxReplyLength = 100, DrainFor = drainFor ?? TimeSpan.FromSeconds(30) },
        _logging);

    /// <summary>The user has all credits, and nothing is written.</summary>
    private async Task AssertReleasedAsync(ChatResult result)
    {
        Assert.True(result.IsSettled);
        Assert.Equal("release", _ledger.Asked.Last());
        Assert.Equal((Opening, 0), (_ledger.Balance, _ledger.Held));
        Assert.Null(await RowAsync());
    }

    private async Task AssertCapturedAsync()
    {
        await _ledger.CapturedAsync(User, _chat.Id);
        Assert.Equal((Opening - Cost, 0), (_ledger.Balance, _ledger.Held));
    }

    private async Task<StoredChat?> RowAsync() =>
        (await _replica.Store.FindAsync(User, [_chat.Id], CancellationToken).Soon()).GetValueOrDefault(_chat.Id);
}
