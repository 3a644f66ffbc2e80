using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Identity.Tests;

/// <summary>
/// In place of Ledger.Service and Chat.Service: it keeps accounts and chats as they do, and can fail before or after it
/// has written something.
/// </summary>
internal sealed class ImportStub : IAsyncDisposable
{
    private readonly WebApplication _app;
    private int _calls;

    private ImportStub(WebApplication app) => _app = app;

    /// <summary>Where it listens.</summary>
    public string Address => _app.Urls.Single();

    /// <summary>The accounts and what they were opened with.</summary>
    public ConcurrentDictionary<long, long> Accounts { get; } = new();

    /// <summary>The chats of each user, in the order in which they were stored.</summary>
    public ConcurrentDictionary<long, List<Chat>> Chats { get; } = new();

    /// <summary>How many chats came in each call.</summary>
    public ConcurrentQueue<int> Batches { get; } = new();

    /// <summary>Gets how many calls there were.</summary>
    public int Calls => _calls;

    /// <summary>Runs before a call is looked at, with its number from 1 on; a result is the answer.</summary>
    public Func<int, Task<IResult?>> Before { get; set; } = _ => Task.FromResult<IResult?>(null);

    /// <summary>Runs when a call has been written and before it is answered.</summary>
    public Func<int, Task> After { get; set; } = _ => Task.CompletedTask;

    public static async Task<ImportStub> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0")
            .ConfigureKestrel(server => server.Limits.MaxRequestBodySize = null);
        var app = builder.Build();
        var stub = new ImportStub(app);
        app.MapPut("/accounts/{user:long}/opening", (long user, Opening body, HttpContext http) =>
            stub.AnswerAsync(http, () => stub.Accounts.GetOrAdd(user, body.Amount) == body.Amount));
        app.MapPut("/users/{user:long}/chats/imported", (long user, Import body, HttpContext http) =>
            stub.AnswerAsync(http, () => stub.Store(user, body.Chats)));
        await app.StartAsync(TestContext.Current.CancellationToken).Soon();
        return stub;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task<IResult> AnswerAsync(HttpContext http, Func<bool> write)
    {
        var call = Interlocked.Increment(ref _calls);
        Assert.StartsWith("Bearer ey", http.Request.Headers.Authorization.ToString(), StringComparison.Ordinal);
        if (await Before(call) is { } refusal)
        {
            return refusal;
        }

        var isWritten = write();
        await After(call);
        return isWritten ? TypedResults.NoContent()
            : TypedResults.Problem("It is there otherwise.", statusCode: StatusCodes.Status409Conflict);
    }

    private bool Store(long user, List<Chat> chats)
    {
        Batches.Enqueue(chats.Count);
        var stored = Chats.GetOrAdd(user, _ => []);
        stored.AddRange(chats.Where(chat => stored.TrueForAll(other => other.Key != chat.Key)));
        return chats.TrueForAll(stored.Contains);
    }

    internal sealed record Chat(Guid Key, string Message, string Response, DateTimeOffset Timestamp);

    private sealed record Opening(long Amount);

    private sealed record Import(List<Chat> Chats);
}
