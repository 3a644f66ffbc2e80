using System.Security.Claims;
using System.Text.Encodings.Web;
using Ledger.Service;
using Ledger.Service.Accounts;
using Ledger.Service.Transfers;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Ledger.Tests;

/// <summary>
/// The service's own calls over real HTTP, with its own policies. Who calls, and with which scope, is said by headers.
/// </summary>
internal sealed class LedgerHost : IAsyncDisposable
{
    private const string ScopeHeader = "X-Scope";
    private const string UserHeader = "X-User";
    private const string RoleHeader = "X-Role";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly WebApplication _app;

    private LedgerHost(WebApplication app) => _app = app;

    /// <summary>Starts the service on a ledger.</summary>
    /// <param name="servers">Its database.</param>
    /// <param name="accounts">What reads; that of all tests when null.</param>
    /// <param name="ledger">What changes balances; that of all tests when null.</param>
    /// <param name="identity">Who knows the users; that of all tests when null.</param>
    public static async Task<LedgerHost> StartAsync(
        ServersFixture servers,
        AccountLedger? accounts = null,
        TokenLedger? ledger = null,
        StubIdentity? identity = null)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0").ConfigureKestrel(
            server => server.Limits.MaxRequestBodySize = Microsoft.Extensions.Hosting.Extensions.MaxRequestBodyBytes);
        builder.AddTokenAuthentication();
        builder.Configuration["Ledger:CacheKey"] = ServersFixture.Settings.CacheKey;
        builder.Configuration["Identity:ClientSecret"] = StubIdentity.Secret;
        builder.AddLedger();
        var services = builder.Services;
        services.RemoveAll<IHostedService>();
        services.AddProblems();
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(accounts ?? servers.Accounts).AddSingleton(ledger ?? servers.Ledger)
            .AddSingleton(servers.Holds).AddSingleton((identity ?? ServersFixture.Identity).Openings);
        services.AddDbContext<LedgerDb>(
            options => options.UseNpgsql(servers.Database).UseSnakeCaseNamingConvention());
        services.AddAuthentication("test").AddScheme<AuthenticationSchemeOptions, ByHeader>("test", null);
        var host = new LedgerHost(builder.Build());
        host._app.UseProblems();
        host._app.UseAuthentication();
        host._app.UseAuthorization();
        host._app.MapLedger();
        await host._app.StartAsync(TestContext.Current.CancellationToken).WaitAsync(Patience);
        return host;
    }

    /// <summary>A client with a token of a service.</summary>
    public HttpClient Service() => Client(Tokens.LedgerScope, user: 0);

    /// <summary>A client with a token of Identity.Service.</summary>
    public HttpClient Identity() => Client(Tokens.AccountsScope, user: 0);

    /// <summary>A client with a user's token.</summary>
    public HttpClient User(long user) => Client(Tokens.UserScope, user);

    /// <summary>A client with an administrator's token.</summary>
    public HttpClient Admin(long user) => Client(Tokens.UserScope, user, Tokens.AdminRole);

    /// <summary>A client without a token.</summary>
    public HttpClient Nobody() => new() { BaseAddress = new Uri(_app.Urls.Single()), Timeout = Patience };

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private HttpClient Client(string scope, long user, string role = "")
    {
        var client = Nobody();
        client.DefaultRequestHeaders.Add(ScopeHeader, scope);
        client.DefaultRequestHeaders.Add(UserHeader, $"{user}");
        client.DefaultRequestHeaders.Add(RoleHeader, role);
        return client;
    }

    private sealed class ByHeader(
        IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder)
        : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
    {
        protected override Task<AuthenticateResult> HandleAuthenticateAsync()
        {
            if (Request.Headers[ScopeHeader] is not [{ } scope])
            {
                return Task.FromResult(AuthenticateResult.NoResult());
            }

            var identity = new ClaimsIdentity(
                [
                    new("sub", $"{Request.Headers[UserHeader]}"), new("scope", scope),
                    new("role", $"{Request.Headers[RoleHeader]}"),
                ],
                Scheme.Name, "name", "role");
            return Task.FromResult(AuthenticateResult.Success(new(new(identity), Scheme.Name)));
        }
    }
}
