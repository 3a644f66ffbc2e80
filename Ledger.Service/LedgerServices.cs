using Ledger.Service.Accounts;
using Ledger.Service.Budgets;
using Ledger.Service.History;
using Ledger.Service.Holds;
using Ledger.Service.Keys;
using Ledger.Service.Transfers;
using StackExchange.Redis;

namespace Ledger.Service;

/// <summary>What this service is made of, and what it can be asked for.</summary>
internal static class LedgerServices
{
    /// <summary>Adds the ledger, without its database and its cache.</summary>
    public static void AddLedger(this IHostApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddValidation(); // It passes over internal types: the bodies of requests are public.
        services.AddOptions<LedgerOptions>().BindConfiguration("Ledger").ValidateDataAnnotations().ValidateOnStart();
        services.AddOptions<WebhookOptions>().BindConfiguration("Ledger:Webhook").ValidateDataAnnotations()
            .ValidateOnStart();
        services.AddSingleton<LedgerMetrics>();
        services.AddSingleton<AccountLedger>();
        services.AddSingleton<TokenLedger>();
        services.AddSingleton<HoldLedger>();
        services.AddOpenings();
        services.AddExceptionHandler<TryLaterHandler>();
        services.AddHostedService<LimitWebhook>();
    }

    /// <summary>Adds the way to Identity.Service. A missing <c>Identity:ClientSecret</c> stops the service.</summary>
    public static void AddOpenings(this IServiceCollection services) => services.AddSingleton<Openings>()
        .AddHttpClient(Openings.ClientName, http => http.BaseAddress = new("http://identity"))
        .AddClientCredentials("Identity", clientId: "ledger", Tokens.UsersScope);

    /// <summary>Adds the cache on a Redis connection.</summary>
    public static void AddBalanceCache(this IHostApplicationBuilder builder, string connectionName)
    {
        builder.AddRedisClient(
            connectionName,
            // A ledger without Redis is slower and as right: that is no reason to send it no requests.
            settings => settings.DisableHealthChecks = true,
            options => (options.AbortOnConnectFail, options.BacklogPolicy) = (false, BacklogPolicy.FailFast));
        builder.Services.AddSingleton<BalanceCache>();
        builder.Services.AddHostedService(services => services.GetRequiredService<BalanceCache>());
    }

    /// <summary>Maps the calls of users, administrators and services.</summary>
    public static void MapLedger(this IEndpointRouteBuilder app)
    {
        app.MapTokens();
        app.MapHistory();
        app.MapKeys();
        app.MapAdmin();
        app.MapHolds();
        app.MapAccounts();
    }
}
