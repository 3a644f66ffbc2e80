using System.Collections.Concurrent;
using System.Net;
using Ledger.Service;
using Ledger.Service.Accounts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Ledger.Tests;

/// <summary>Identity.Service as the ledger sees it, over real HTTP: it gives tokens, and knows who is a user.</summary>
internal sealed class StubIdentity : IAsyncDisposable
{
    public const string Secret = "a secret of the tests";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly WebApplication _app;
    private readonly ServiceProvider _services;
    private readonly ConcurrentBag<long> _asked = [];
    private readonly TaskCompletionSource _stalled = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private StubIdentity(WebApplication app, ServiceProvider services) => (_app, _services) = (app, services);

    /// <summary>Numbers that no user has.</summary>
    public ConcurrentDictionary<long, bool> Nobody { get; } = [];

    /// <summary>What new accounts open with.</summary>
    public long Credits { get; set; } = 4000;

    /// <summary>When set, the answer to everything; 0 is no answer at all.</summary>
    public HttpStatusCode? Fails { get; set; }

    /// <summary>What it was told for the audit log.</summary>
    public ConcurrentQueue<AuditRequest> Audit { get; } = [];

    /// <summary>The users it was asked for.</summary>
    public IReadOnlyCollection<long> Asked => _asked;

    /// <summary>The ledger's own way to it.</summary>
    public Openings Openings => _services.GetRequiredService<Openings>();

    /// <summary>A number that no user has.</summary>
    public long NewNobody()
    {
        var account = ServersFixture.NewAccount();
        Nobody[account] = true;
        return account;
    }

    public static async Task<StubIdentity> StartAsync()
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        StubIdentity? stub = null;
        app.MapPost("/connect/token", async (HttpRequest request) => await stub!.TokenAsync(request));
        app.MapGet(
            "/users/{id:long}/opening", async (long id, HttpRequest request) => await stub!.OpeningAsync(id, request));
        app.MapPost("/audit", async (AuditRequest entry) =>
        {
            stub!.Audit.Enqueue(entry);
            return await stub.FailAsync() ?? TypedResults.NoContent();
        });
        await app.StartAsync().WaitAsync(Patience);

        var client = Host.CreateEmptyApplicationBuilder(null);
        client.Configuration["Identity:ClientSecret"] = Secret;
        client.Services.AddSingleton(TimeProvider.System).AddOpenings();
        foreach (var name in new[] { Openings.ClientName, ClientToken.IdentityClient })
        {
            client.Services.AddHttpClient(name).ConfigureHttpClient(http => http.BaseAddress = new(app.Urls.Single()));
        }

        return stub = new StubIdentity(app, client.Services.BuildServiceProvider());
    }

    public async ValueTask DisposeAsync()
    {
        _stalled.TrySetResult();
        await _services.DisposeAsync();
        await _app.DisposeAsync();
    }

    private async Task<IResult> TokenAsync(HttpRequest request)
    {
        var form = await request.ReadFormAsync();
        return await FailAsync() ?? (form["client_id"] == "ledger" && form["client_secret"] == Secret
            && form["scope"] == Tokens.UsersScope && form["grant_type"] == "client_credentials"
            ? TypedResults.Ok(new { access_token = "the ledger's", expires_in = 3600 })
            : TypedResults.BadRequest());
    }

    private async Task<IResult> OpeningAsync(long id, HttpRequest request)
    {
        _asked.Add(id);
        return await FailAsync() ?? (request.Headers.Authorization != "Bearer the ledger's"
            ? TypedResults.Unauthorized()
            : Nobody.ContainsKey(id) ? TypedResults.NotFound() : TypedResults.Ok(new { credits = Credits }));
    }

    private async Task<IResult?> FailAsync()
    {
        if (Fails is { } none && none == 0)
        {
            await _stalled.Task;
        }

        return Fails is { } status ? TypedResults.StatusCode((int)status) : null;
    }
}
