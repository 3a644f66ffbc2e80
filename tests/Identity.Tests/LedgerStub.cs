using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Identity.Tests;

/// <summary>
/// A service with the defaults of all in the ledger's place: it checks the token as the ledger does, with the keys that
/// the issuer publishes, and remembers which accounts it was told to close.
/// </summary>
internal sealed class LedgerStub : IAsyncDisposable
{
    private readonly WebApplication _app;

    private LedgerStub(WebApplication app) => _app = app;

    /// <summary>Where it listens.</summary>
    public string Address => _app.Urls.Single();

    /// <summary>The accounts, in the order of the calls.</summary>
    public ConcurrentQueue<long> Closed { get; } = new();

    /// <summary>Gets or sets whether it answers 503.</summary>
    public bool IsAway { get; set; }

    /// <param name="issuer">An instance of Identity.Service on the same database.</param>
    public static async Task<LedgerStub> StartAsync(IdentityServer issuer)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        using var client = issuer.CreateClient();
        builder.Configuration["Auth:Authority"] = client.BaseAddress!.AbsoluteUri;
        builder.AddServiceDefaults();
        builder.AddTokenAuthentication();
        var app = builder.Build();
        var stub = new LedgerStub(app);
        app.UseAuthentication();
        app.UseAuthorization();
        app.MapPut("/accounts/{user:long}/closed", stub.Close).RequireAuthorization(Tokens.LedgerPolicy);
        await app.StartAsync(TestContext.Current.CancellationToken).Soon();
        return stub;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private IResult Close(long user)
    {
        if (IsAway)
        {
            return TypedResults.StatusCode(StatusCodes.Status503ServiceUnavailable);
        }

        Closed.Enqueue(user);
        return TypedResults.NoContent();
    }
}
