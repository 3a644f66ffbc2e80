using Chat.Service.Chats;
using CsCheck;

namespace Chat.Tests;

/// <summary>
/// Replicas that hold, answer, renew, sweep, die, and come back from the dead in any order: at the end a chat is paid
/// for if and only if it is stored, nothing is held, and a key has paid once at most. A failure prints the seed that
/// repeats it.
/// </summary>
public sealed class InterleavingTests(ChatDatabase database)
{
    private const int Sequences = 64;
    private const int MaxSteps = 24;
    private const int Replicas = 3;
    private const long User = 500;

    private static readonly TimeSpan Dead = TimeSpan.FromSeconds(31);

    private static readonly Gen<(Step Step, int Replica)[]> Steps =
        Gen.Select(Gen.Enum<Step>(), Gen.Int[0, Replicas - 1]).Array[1, MaxSteps];

    private enum Step
    {
        /// <summary>A request comes in, its credits are held, and its model thinks.</summary>
        Begin,

        /// <summary>The oldest model answers, also on a replica that was taken for dead.</summary>
        Answer,

        /// <summary>The oldest model fails.</summary>
        Fail,

        /// <summary>The ledger's answer to a request is lost, and so is that to its release.</summary>
        Lose,

        /// <summary>The latest request is sent again, under its key.</summary>
        Repeat,

        /// <summary>The latest request is sent again, and the ledger answers nothing at all.</summary>
        RepeatInTheDark,

        /// <summary>A model fails, and the release does not come through.</summary>
        FailWithoutALedger,

        /// <summary>A model answers, and the capture does not come through.</summary>
        AnswerWithoutALedger,

        /// <summary>The call that held for the latest request is carried out once more.</summary>
        HoldLate,

        /// <summary>The user deletes all chats.</summary>
        Delete,

        /// <summary>The replica's renewals stop.</summary>
        Die,

        /// <summary>The replica settles what nobody renews.</summary>
        Sweep,
    }

    [Fact]
    public async Task Steps_InAnyOrder_LeaveACaptureForEachChatAndNothingHeld()
    {
        await using var ledger = await TestLedger.StartAsync();
        await Steps.SampleAsync(
            async steps => await new Run(database, ledger).PlayAsync(steps), iter: Sequences, threads: 1);
    }

    /// <summary>One sequence, with replicas of its own.</summary>
    private sealed class Run(ChatDatabase database, TestLedger ledger)
    {
        private readonly List<PendingChat> _chats = [];
        private readonly Actor[] _actors =
        [
            .. Enumerable.Range(0, Replicas).Select(_ => new Actor(new TestReplica(database.Source, ledger.Address))),
        ];

        private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

        public async Task PlayAsync((Step Step, int Replica)[] steps)
        {
            ledger.Balance = 4000;
            foreach (var (step, replica) in steps)
            {
                await PlayAsync(step, _actors[replica]);
            }

            // All of them die with what they have left, and one that is new looks after them.
            Array.ForEach(_actors, actor => actor.IsDead = true);
            using var last = new TestReplica(database.Source, ledger.Address);
            await SweepAsync(last);
            foreach (var (reply, answer) in _actors.SelectMany(actor => actor.Thinking))
            {
                reply.SetResult("too late");
                Assert.NotEqual(ReplyStatus.Stored, (await answer).Status);
            }

            await SweepAsync(last);
            Assert.Equal(0, ledger.Held);
            foreach (var chat in _chats)
            {
                var rows = await last.Store.FindAsync(User, [.. chat.AttemptIds()], CancellationToken).Soon();
                foreach (var id in chat.AttemptIds())
                {
                    var isStored = rows.GetValueOrDefault(id) is { Status: not ChatStatus.Tombstone };
                    Assert.True(isStored == ledger.IsCaptured(User, id), $"Stored: {isStored}. {id} of {chat}");
                }

                Assert.InRange(rows.Values.Count(row => row.Status is not ChatStatus.Tombstone), 0, 1);
            }

            Array.ForEach(_actors, actor => actor.Replica.Dispose());
        }

        private async Task PlayAsync(Step step, Actor actor)
        {
            switch (step)
            {
                case Step.Begin when !actor.IsDead:
                    await BeginAsync(actor);
                    break;
                case Step.Answer or Step.Fail or Step.FailWithoutALedger or Step.AnswerWithoutALedger
                    when actor.Thinking.TryDequeue(out var oldest):
                    await EndAsync(step, oldest);
                    break;
                case Step.Lose when !actor.IsDead:
                    await InTheDarkAsync(() => actor.Replica.AnswerAsync(NewChat(), ScriptedModel.Answers("hi")));
                    break;
                case Step.Repeat when !actor.IsDead && _chats is [.., var latest]:
                    await actor.Replica.AnswerAsync(latest, ScriptedModel.Answers("hi"));
                    break;
                case Step.RepeatInTheDark when !actor.IsDead && _chats is [.., var latest]:
                    await InTheDarkAsync(() => actor.Replica.AnswerAsync(latest, ScriptedModel.Answers("hi")));
                    break;
                case Step.HoldLate when _chats is [.., var latest]:
                    await actor.Replica.Ledger.HoldAsync(latest, CancellationToken).Soon();
                    break;
                case Step.Delete:
                    await DeleteAsync(actor);
                    break;
                case Step.Die:
                    actor.IsDead = true;
                    break;
                case Step.Sweep when !actor.IsDead:
                    await SweepAsync(actor.Replica);
                    break;
                default:
                    break;
            }
        }

        /// <summary>Those that live have renewed in time.</summary>
        private async Task SweepAsync(TestReplica replica)
        {
            await replica.BecomeSteadyAsync();
            ledger.Age(Dead);
            foreach (var actor in _actors.Where(actor => !actor.IsDead && actor.Replica != replica))
            {
                actor.Replica.Clock.Move(Dead / 2);
                await actor.Replica.RenewAsync();
            }

            await replica.SweepAsync();
        }

        private async Task DeleteAsync(Actor actor)
        {
            await using var db = database.CreateContext();
            await new Erasure(db, actor.Replica.Settlement, actor.Replica.Running)
                .EraseAsync(User, conversation: null, CancellationToken)
                .Soon();
        }

        private async Task BeginAsync(Actor actor)
        {
            var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            var model = new ScriptedModel(_ => reply.Task);
            var answer = actor.Replica.AnswerAsync(NewChat(), model);
            await Task.WhenAny(model.Asked, answer).Soon();
            if (!answer.IsCompleted)
            {
                actor.Thinking.Enqueue((reply, answer));
            }
        }

        private async Task EndAsync(Step step, (TaskCompletionSource<string> Reply, Task<ChatResult> Answer) oldest)
        {
            if (step is Step.FailWithoutALedger or Step.AnswerWithoutALedger)
            {
                (ledger.Before["release"], ledger.Before["capture"]) = (TestLedger.Down, TestLedger.Down);
            }

            if (step is Step.Answer or Step.AnswerWithoutALedger)
            {
                oldest.Reply.SetResult("hi");
            }
            else
            {
                oldest.Reply.SetException(new HttpRequestException("The model is down."));
            }

            await oldest.Answer;
            ledger.Recover();
        }

        private async Task InTheDarkAsync(Func<Task<ChatResult>> ask)
        {
            (ledger.After["hold"], ledger.Before["release"]) = (TestLedger.LoseAnswer, TestLedger.Down);
            await ask();
            ledger.Recover();
        }

        private PendingChat NewChat()
        {
            _chats.Add(PendingChat.New(User, "chat", $"{Guid.NewGuid()}", "hello") with { Most = 100 });
            return _chats[^1];
        }
    }

    private sealed class Actor(TestReplica replica)
    {
        public TestReplica Replica { get; } = replica;

        public bool IsDead { get; set; }

        public Queue<(TaskCompletionSource<string> Reply, Task<ChatResult> Answer)> Thinking { get; } = [];
    }
}
