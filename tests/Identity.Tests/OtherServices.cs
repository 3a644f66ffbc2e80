using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Identity.Tests;

/// <summary>
/// A service with the defaults of all in the place of the ledger and of the chat service: it checks the token as they
/// do, with the keys that the issuer publishes, and remembers what it was told.
/// </summary>
internal sealed class OtherServices : IAsyncDisposable
{
    private readonly WebApplication _app;

    private OtherServices(WebApplication app) => _app = app;

    /// <summary>Where it listens.</summary>
    public string Address => _app.Urls.Single();

    /// <summary>The calls with the user's number, in order: <c>closed 7</c>, <c>erased 7</c>.</summary>
    public ConcurrentQueue<string> Calls { get; } = new();

    /// <summary>Gets or sets the call that is answered 503.</summary>
    public string? Away { get; set; }

    /// <param name="issuer">An instance of Identity.Service on the same database.</param>
    public static async Task<OtherServices> StartAsync(IdentityServer issuer)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        using var client = issuer.CreateClient();
        builder.Configuration["Auth:Authority"] = client.BaseAddress!.AbsoluteUri;
        builder.AddServiceDefaults();
        builder.AddTokenAuthentication();
        var app = builder.Build();
        var stub = new OtherServices(app);
        app.UseAuthentication();
        app.UseAuthorization();
        var users = app.MapGroup("/").RequireAuthorization(Tokens.AccountsPolicy);
        users.MapPut("/accounts/{user:long}/closed", (long user) => stub.Take("closed", user));
        users.MapDelete("/users/{user:long}/chats", (long user) => stub.Take("erased", user));
        await app.StartAsync(TestContext.Current.CancellationToken).Soon();
        return stub;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private IResult Take(string call, long user)
    {
        if (Away == call)
        {
            return TypedResults.StatusCode(StatusCodes.Status503ServiceUnavailable);
        }

        Calls.Enqueue($"{call} {user}");
        return TypedResults.NoContent();
    }
}
