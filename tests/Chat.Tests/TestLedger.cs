using System.Collections.Concurrent;
using Chat.Service.Ledger;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Chat.Tests;

/// <summary>
/// A ledger with one account over real HTTP. It answers as Ledger.Service does, remembers what it was asked, and can be
/// made to fail. It also gives out service tokens, as Identity.Service does.
/// </summary>
internal sealed class TestLedger : IAsyncDisposable
{
    /// <summary>How many holds a page has.</summary>
    public const int MaxPage = 3;

    private readonly WebApplication _app;
    private readonly Lock _lock = new();
    private readonly SortedDictionary<(long Account, Guid Id), Hold> _holds = [];
    private readonly Dictionary<(long Account, Guid Id), (long Amount, byte[] Hash)> _captures = [];
    private readonly ConcurrentQueue<string> _asked = [];
    private readonly ConcurrentQueue<int> _batches = [];
    private TaskCompletionSource _changed = NewSignal();

    private TestLedger()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.ConfigureHttpJsonOptions(options =>
            options.SerializerOptions.TypeInfoResolverChain.Insert(0, HoldJson.Default));
        _app = builder.Build();
        _app.MapPost("/holds/batch", CarryOutAsync);
        _app.MapPost("/holds/renewal", RenewAsync);
        _app.MapGet("/holds", ListAsync);
        _app.MapPost("/connect/token", () => TypedResults.Text(
            """{"access_token":"token","expires_in":3600}""", "application/json"));
    }

    /// <summary>The account's credits, held ones included.</summary>
    public long Balance { get; set; } = 4000;

    /// <summary>Those that are held.</summary>
    public long Held
    {
        get
        {
            lock (_lock)
            {
                return _holds.Values.Sum(hold => hold.Amount);
            }
        }
    }

    /// <summary>Those that can be spent.</summary>
    public long Available => Balance - Held;

    /// <summary>What was asked for, in order: <c>hold</c>, <c>capture</c>, <c>release</c>, <c>renewal</c>.</summary>
    public IEnumerable<string> Asked => _asked;

    /// <summary>How many items the batches had.</summary>
    public IEnumerable<int> Batches => _batches;

    /// <summary>Runs before a call with such an operation is carried out.</summary>
    public ConcurrentDictionary<string, Func<HttpContext, Task>> Before { get; } = [];

    /// <summary>Runs when a call with such an operation is carried out, and before it is answered.</summary>
    public ConcurrentDictionary<string, Func<HttpContext, Task>> After { get; } = [];

    /// <summary>How many items fail, as if their account were locked.</summary>
    public int Busy { get; set; }

    /// <summary>Where it listens.</summary>
    public Uri Address => new(_app.Urls.Single());

    public static async Task<TestLedger> StartAsync()
    {
        var ledger = new TestLedger();
        await ledger._app.StartAsync(TestContext.Current.CancellationToken).Soon();
        return ledger;
    }

    /// <summary>Fails as a service does that has thrown.</summary>
    public static Task Fail(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status500InternalServerError;
        return context.Response.CompleteAsync();
    }

    /// <summary>Does nothing, and says so.</summary>
    public static Task Down(HttpContext context) =>
        throw new InvalidOperationException("The ledger's database is away.");

    /// <summary>Breaks the connection: the caller gets no answer.</summary>
    public static Task LoseAnswer(HttpContext context)
    {
        context.Abort();
        return Task.CompletedTask;
    }

    /// <summary>Lets all calls be answered again.</summary>
    public void Recover()
    {
        Before.Clear();
        After.Clear();
    }

    /// <summary>Waits for a chat to be paid for.</summary>
    public Task CapturedAsync(long account, Guid id) => UntilAsync(() => IsCaptured(account, id));

    /// <summary>Waits for all holds to end.</summary>
    public Task SettledAsync() => UntilAsync(() => Held == 0);

    /// <summary>Whether a chat is paid for.</summary>
    public bool IsCaptured(long account, Guid id)
    {
        lock (_lock)
        {
            return _captures.ContainsKey((account, id));
        }
    }

    /// <summary>Whether credits are held for a chat, or taken.</summary>
    public bool IsPaidFor(Guid id)
    {
        lock (_lock)
        {
            return _holds.Keys.Concat(_captures.Keys).Any(name => name.Id == id);
        }
    }

    /// <summary>Whether credits are held for a chat.</summary>
    public bool IsHeld(long account, Guid id)
    {
        lock (_lock)
        {
            return _holds.ContainsKey((account, id));
        }
    }

    /// <summary>Makes all holds older, as if nobody had renewed them for that time.</summary>
    public void Age(TimeSpan by)
    {
        lock (_lock)
        {
            foreach (var hold in _holds.Values)
            {
                hold.RenewedAt -= by;
            }
        }
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task<IResult> CarryOutAsync(HoldBatch batch, HttpContext context)
    {
        string[] operations = [.. batch.Items.Select(item => $"{item.Operation}".ToLowerInvariant())];
        Array.ForEach(operations, _asked.Enqueue);
        _batches.Enqueue(operations.Length);
        await RunAsync(Before, operations, context);
        if (context.Response.HasStarted || context.RequestAborted.IsCancellationRequested)
        {
            return Results.Empty;
        }

        List<HoldResult> results;
        lock (_lock)
        {
            results = [.. batch.Items.Select(CarryOut)];
        }

        Interlocked.Exchange(ref _changed, NewSignal()).SetResult();
        await RunAsync(After, operations, context);
        return context.Response.HasStarted
            ? Results.Empty
            : TypedResults.Json(results, HoldJson.Default.ListHoldResult);
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task UntilAsync(Func<bool> isSo)
    {
        for (var changed = _changed.Task; !isSo(); changed = _changed.Task)
        {
            await changed.Soon();
        }
    }

    private HoldResult CarryOut(HoldItem item)
    {
        if (Busy > 0)
        {
            Busy--;
            return new HoldResult(HoldOutcome.Failed);
        }

        var name = (item.Account, item.Id);
        var held = _holds.Values.Sum(hold => hold.Amount);
        var hold = _holds.GetValueOrDefault(name);
        var (outcome, amount) = item.Operation switch
        {
            HoldOperation.Hold when _captures.TryGetValue(name, out var captured) =>
                (captured.Hash.SequenceEqual(item.Hash!) ? HoldOutcome.Captured : HoldOutcome.Conflict,
                    captured.Amount),
            HoldOperation.Hold when hold is not null =>
                (!hold.Item.Hash!.SequenceEqual(item.Hash!) ? HoldOutcome.Conflict
                    : hold.Item.Holder != item.Holder ? HoldOutcome.InProgress : HoldOutcome.Held, hold.Amount),
            HoldOperation.Hold => (Balance - held < item.Amount ? HoldOutcome.InsufficientTokens : HoldOutcome.Held,
                item.Amount),
            HoldOperation.Release when hold is not null && hold.Item.Holder != item.Holder =>
                (HoldOutcome.InProgress, hold.Amount),
            HoldOperation.Release => (HoldOutcome.Released, 0L),
            _ when _captures.TryGetValue(name, out var captured) => (HoldOutcome.Captured, captured.Amount),
            _ => (hold is null && item.Amount > 0 ? HoldOutcome.UnknownHold : HoldOutcome.Captured, item.Amount),
        };
        switch (item.Operation, outcome)
        {
            case (HoldOperation.Hold, HoldOutcome.Held) when hold is null:
                _holds.Add(name, new Hold(item, DateTimeOffset.UtcNow));
                break;
            case (HoldOperation.Capture, HoldOutcome.Captured):
                if (_holds.Remove(name) && item.Amount > 0)
                {
                    Balance -= item.Amount;
                    _captures.Add(name, (item.Amount, hold!.Item.Hash!));
                }

                break;
            case (HoldOperation.Release, HoldOutcome.Released):
                _holds.Remove(name);
                break;
            default:
                break;
        }

        return new(outcome, amount, Balance, _holds.Values.Sum(each => each.Amount));
    }

    private async Task<IResult> RenewAsync(HoldRenewal renewal, HttpContext context)
    {
        _asked.Enqueue("renewal");
        await RunAsync(Before, ["renewal"], context);
        lock (_lock)
        {
            var gone = new List<HoldName>();
            foreach (var (account, id, holder) in renewal.Holds)
            {
                if (_holds.GetValueOrDefault((account, id)) is { } hold && hold.Item.Holder == holder)
                {
                    hold.RenewedAt = DateTimeOffset.UtcNow;
                }
                else
                {
                    gone.Add(new(account, id));
                }
            }

            return context.Response.HasStarted ? Results.Empty : TypedResults.Json(gone, HoldJson.Default.ListHoldName);
        }
    }

    private async Task<IResult> ListAsync(
        HttpContext context, long? account, TimeSpan notRenewedFor, long afterAccount = 0, Guid? after = null)
    {
        await RunAsync(Before, ["list"], context);
        lock (_lock)
        {
            return TypedResults.Json(
                _holds.Where(hold => (account ?? hold.Key.Account) == hold.Key.Account
                        && hold.Key.CompareTo((afterAccount, after ?? Guid.Empty)) > 0
                        && hold.Value.RenewedAt <= DateTimeOffset.UtcNow - notRenewedFor)
                    .Take(MaxPage)
                    .Select(hold => new OpenHold(
                        hold.Key.Account, hold.Key.Id, hold.Value.Item.Holder, hold.Value.Item.Hash!,
                        hold.Value.Item.Conversation))
                    .ToList(),
                HoldJson.Default.ListOpenHold);
        }
    }

    private static async Task RunAsync(
        ConcurrentDictionary<string, Func<HttpContext, Task>> hooks, string[] operations, HttpContext context)
    {
        foreach (var operation in operations.Distinct())
        {
            await (hooks.GetValueOrDefault(operation)?.Invoke(context) ?? Task.CompletedTask);
        }
    }

    private sealed class Hold(HoldItem item, DateTimeOffset renewedAt)
    {
        public HoldItem Item => item;

        public long Amount => item.Amount;

        public DateTimeOffset RenewedAt { get; set; } = renewedAt;
    }
}
