using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Logging;

namespace Chat.Tests;

/// <summary>
/// A ledger with one account over real HTTP. It answers as Ledger.Service does, remembers what it was asked, and can be
/// made to fail. It also gives out service tokens, as Identity.Service does.
/// </summary>
internal sealed class TestLedger : IAsyncDisposable
{
    private const int MaxPage = 3;

    private readonly WebApplication _app;
    private readonly Lock _lock = new();
    private readonly Dictionary<Guid, ChargeBody> _charges = [];
    private readonly Dictionary<Guid, DateTimeOffset> _written = [];
    private readonly HashSet<Guid> _refunds = [];
    private readonly ConcurrentQueue<string> _asked = [];

    private TestLedger()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.MapGet("/charges", List);
        _app.MapPut("/charges/{id:guid}", ChargeAsync);
        _app.MapPut("/charges/{id:guid}/void", VoidAsync);
        _app.MapPut("/charges/{id:guid}/refund", RefundAsync);
        _app.MapPost("/connect/token", () => TypedResults.Ok(new { access_token = "token", expires_in = 3600 }));
    }

    /// <summary>The account's tokens.</summary>
    public long Balance { get; set; } = 4000;

    /// <summary>What was asked for, in order: <c>charge</c> and <c>refund</c>.</summary>
    public IEnumerable<string> Asked => _asked;

    /// <summary>Runs before a charge is written.</summary>
    public Func<HttpContext, Task> BeforeCharge { get; set; } = _ => Task.CompletedTask;

    /// <summary>Runs when a charge is written and before that is answered.</summary>
    public Func<HttpContext, Task> AfterCharge { get; set; } = _ => Task.CompletedTask;

    /// <summary>Runs before a name is taken, or it is told whose it is.</summary>
    public Func<HttpContext, Task> BeforeVoid { get; set; } = _ => Task.CompletedTask;

    /// <summary>Runs before a refund is written.</summary>
    public Func<HttpContext, Task> BeforeRefund { get; set; } = _ => Task.CompletedTask;

    /// <summary>When the charges of now are written: some time ago, where a test needs them to be old.</summary>
    public TimeSpan Age { get; set; }

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

    /// <summary>Gives a charge back, as a reconciler would.</summary>
    public void Refund(Guid id)
    {
        lock (_lock)
        {
            if (_charges.TryGetValue(id, out var charge) && _refunds.Add(id))
            {
                Balance += charge.Amount;
            }
        }
    }

    /// <summary>Whether a charge is written and not given back.</summary>
    public bool IsCharged(Guid id)
    {
        lock (_lock)
        {
            return _charges.ContainsKey(id) && !_refunds.Contains(id);
        }
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private Ok<List<OpenCharge>> List(DateTimeOffset from, DateTimeOffset to, Guid after)
    {
        lock (_lock)
        {
            return TypedResults.Ok(_charges
                .Where(charge => !_refunds.Contains(charge.Key)
                    && _written[charge.Key] <= to
                    && (_written[charge.Key] > from || (_written[charge.Key] == from && charge.Key > after)))
                .OrderBy(charge => _written[charge.Key]).ThenBy(charge => charge.Key)
                .Take(MaxPage)
                .Select(charge => new OpenCharge(
                    charge.Key, charge.Value.User, charge.Value.Amount, _written[charge.Key]))
                .ToList());
        }
    }

    private async Task<IResult> VoidAsync(Guid id, HttpContext context)
    {
        await BeforeVoid(context);
        lock (_lock)
        {
            if (_charges.TryGetValue(id, out var charge))
            {
                return TypedResults.Ok(new { balance = Balance, origin = charge.Origin });
            }

            _refunds.Add(id); // The name is void from now on.
            return TypedResults.NoContent();
        }
    }

    private async Task<IResult> ChargeAsync(Guid id, ChargeBody body, HttpContext context)
    {
        _asked.Enqueue("charge");
        await BeforeCharge(context);
        var result = Charge(id, body);
        await AfterCharge(context);
        return context.Response.HasStarted ? Results.Empty : result;
    }

    private IResult Charge(Guid id, ChargeBody body)
    {
        lock (_lock)
        {
            if (_charges.TryGetValue(id, out var before))
            {
                return before with { Origin = body.Origin } != body
                    ? Refuse(StatusCodes.Status409Conflict, "exists_with_different_content")
                    : _refunds.Contains(id) ? Refuse(StatusCodes.Status409Conflict, "already_refunded")
                    : TypedResults.Ok(new { balance = Balance, origin = before.Origin });
            }

            if (_refunds.Contains(id))
            {
                return Refuse(StatusCodes.Status409Conflict, "already_refunded");
            }

            if (Balance < body.Amount)
            {
                return Refuse(StatusCodes.Status402PaymentRequired, "insufficient_tokens");
            }

            Balance -= body.Amount;
            _charges.Add(id, body);
            _written.Add(id, DateTimeOffset.UtcNow - Age);
            return TypedResults.Created($"/charges/{id}", new { balance = Balance, origin = body.Origin });
        }
    }

    private async Task<IResult> RefundAsync(Guid id, HttpContext context)
    {
        _asked.Enqueue("refund");
        await BeforeRefund(context);
        lock (_lock)
        {
            if (!_charges.ContainsKey(id))
            {
                _refunds.Add(id); // The name is void from now on.
                return Refuse(StatusCodes.Status404NotFound, "unknown_charge");
            }
        }

        Refund(id);
        return context.Response.HasStarted ? Results.Empty : TypedResults.Ok(new { balance = Balance });
    }

    private static ProblemHttpResult Refuse(int status, string code) => TypedResults.Problem(
        $"The ledger says {code}.",
        statusCode: status,
        extensions: new Dictionary<string, object?> { ["code"] = code });

    private sealed record OpenCharge(Guid Id, long User, long Amount, DateTimeOffset Created);

    private sealed record ChargeBody(long User, long Amount, string Fingerprint, Guid? Origin);
}
