using Chat.Service.Charges;
using Chat.Service.Chats;
using CsCheck;

namespace Chat.Tests;

/// <summary>
/// Replicas that charge, answer, note, die, are buried, and come back from the dead in any order: at the end a charge
/// stands if and only if a completed chat does, and a name has one at most. A failure prints the seed that repeats it.
/// </summary>
public sealed class InterleavingTests(ChatDatabase databases)
{
    private const int Sequences = 64;
    private const int MaxSteps = 24;
    private const int Replicas = 3;
    private const int MaxAttempts = 10;

    private static readonly Gen<(Step Step, int Replica)[]> Steps =
        Gen.Select(Gen.Enum<Step>(), Gen.Int[0, Replicas - 1]).Array[1, MaxSteps];

    private enum Step
    {
        /// <summary>A request comes in, is charged, and its model thinks.</summary>
        Begin,

        /// <summary>The oldest model answers, also on a replica that was taken for dead.</summary>
        Answer,

        /// <summary>The oldest model fails.</summary>
        Fail,

        /// <summary>The ledger's answer to a request is lost.</summary>
        Lose,

        /// <summary>The latest request is sent again, under its name.</summary>
        Repeat,

        /// <summary>The latest request is sent again, and the ledger answers nothing at all.</summary>
        RepeatInTheDark,

        /// <summary>A refund does not come through.</summary>
        FailWithoutALedger,

        /// <summary>The replica says what it has in flight.</summary>
        Note,

        /// <summary>The replica's word stops coming.</summary>
        Die,

        /// <summary>The replica looks after the dead.</summary>
        Bury,

        /// <summary>The replica tries again what it could not undo.</summary>
        Settle,
    }

    [Fact]
    public async Task Steps_InAnyOrder_LeaveAChargeForEachReplyAndNoOther()
    {
        await using var system = await ReconcilerFixture.StartAsync(databases);
        system.Ledger.Age = TimeSpan.FromSeconds(20); // Old enough to be looked at.
        await Steps.SampleAsync(async steps => await new Run(system).PlayAsync(steps), iter: Sequences, threads: 1);
    }

    /// <summary>One sequence, with replicas of its own.</summary>
    private sealed class Run(ReconcilerFixture system)
    {
        private readonly List<ChatCharge> _charges = [];
        private readonly Actor[] _actors =
            [.. Enumerable.Range(0, Replicas).Select(_ => new Actor(system.NewReplica()))];

        public async Task PlayAsync((Step Step, int Replica)[] steps)
        {
            await system.ExecuteAsync("DELETE FROM replica_notes");
            foreach (var actor in _actors)
            {
                await actor.Replica.NoteAsync();
            }

            foreach (var (step, replica) in steps)
            {
                await PlayAsync(step, _actors[replica]);
            }

            // All of them die with what they have left, and one that is new looks after them.
            await NoteAsync();
            await system.AgeAsync(ReconcilerFixture.Dead);
            await BuryAsync(system.NewReplica());

            foreach (var late in _actors.SelectMany(actor => actor.Thinking).ToList())
            {
                late.Reply.SetResult("too late");
                Assert.NotEqual(ReplyStatus.Stored, (await late.Answer).Status);
            }

            foreach (var charge in _charges)
            {
                var answers = 0;
                foreach (var attempt in charge.Attempts(MaxAttempts))
                {
                    var isAnswered = await system.StatusAsync(attempt) is ChatStatus.Completed;
                    Assert.True(
                        isAnswered == system.Ledger.IsCharged(attempt.Id), $"Answered: {isAnswered}. {attempt}");
                    answers += isAnswered ? 1 : 0;
                }

                Assert.True(answers <= 1, $"Answered {answers} times. {charge}");
            }
        }

        private async Task PlayAsync(Step step, Actor actor)
        {
            switch (step)
            {
                case Step.Begin:
                    await BeginAsync(actor);
                    break;
                case Step.Answer or Step.Fail or Step.FailWithoutALedger when actor.Thinking.TryDequeue(out var oldest):
                    await EndAsync(step, oldest);
                    break;
                case Step.Lose when !actor.IsDead:
                    system.Ledger.AfterCharge = TestLedger.LoseAnswer;
                    await actor.Replica.AskAsync(NewCharge(), ScriptedModel.Answers("hi"));
                    system.Ledger.AfterCharge = _ => Task.CompletedTask;
                    break;
                case Step.Repeat when !actor.IsDead && _charges is [.., var latest]:
                    await actor.Replica.AskAsync(latest, ScriptedModel.Answers("hi"));
                    break;
                case Step.RepeatInTheDark when !actor.IsDead && _charges is [.., var latest]:
                    (system.Ledger.AfterCharge, system.Ledger.BeforeVoid, system.Ledger.BeforeRefund) =
                        (TestLedger.LoseAnswer, TestLedger.LoseAnswer, TestLedger.LoseAnswer);
                    await actor.Replica.AskAsync(latest, ScriptedModel.Answers("hi"));
                    (system.Ledger.AfterCharge, system.Ledger.BeforeVoid, system.Ledger.BeforeRefund) =
                        (_ => Task.CompletedTask, _ => Task.CompletedTask, _ => Task.CompletedTask);
                    break;
                case Step.Note when !actor.IsDead:
                    await actor.Replica.NoteAsync();
                    break;
                case Step.Die:
                    actor.IsDead = true;
                    break;
                case Step.Bury when !actor.IsDead:
                    await NoteAsync(); // Those that live have done so in time, or they would have taken no chats on.
                    await system.AgeAsync(ReconcilerFixture.Dead);
                    await NoteAsync();
                    await BuryAsync(actor.Replica);
                    break;
                case Step.Settle when !actor.IsDead:
                    await actor.Replica.SettleAsync();
                    break;
                default:
                    break;
            }
        }

        private static async Task BuryAsync(TestReplica replica)
        {
            while (await replica.BuryAsync())
            {
                // There may be another one.
            }
        }

        private async Task BeginAsync(Actor actor)
        {
            if (actor.IsDead)
            {
                return;
            }

            var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            var model = new ScriptedModel(_ => reply.Task);
            actor.Thinking.Enqueue((reply, actor.Replica.AskAsync(NewCharge(), model)));
            await model.Asked.Soon();
        }

        private async Task EndAsync(
            Step step, (TaskCompletionSource<string> Reply, Task<PaidReplyResult> Answer) oldest)
        {
            if (step is Step.FailWithoutALedger)
            {
                system.Ledger.BeforeRefund = TestLedger.Down;
            }

            if (step is Step.Answer)
            {
                oldest.Reply.SetResult("hi");
            }
            else
            {
                oldest.Reply.SetException(new HttpRequestException("The model is down."));
            }

            await oldest.Answer;
            system.Ledger.BeforeRefund = _ => Task.CompletedTask;
        }

        private ChatCharge NewCharge()
        {
            _charges.Add(ChatCharge.New(5, "chat", $"{Guid.NewGuid()}", "hello", 100));
            return _charges[^1];
        }

        private async Task NoteAsync()
        {
            foreach (var actor in _actors.Where(actor => !actor.IsDead))
            {
                await actor.Replica.NoteAsync();
            }
        }
    }

    private sealed class Actor(TestReplica replica)
    {
        public TestReplica Replica { get; } = replica;

        public bool IsDead { get; set; }

        public Queue<(TaskCompletionSource<string> Reply, Task<PaidReplyResult> Answer)> Thinking { get; } = [];
    }
}
