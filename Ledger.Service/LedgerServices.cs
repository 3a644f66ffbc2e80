using Ledger.Service.Accounts;
using Ledger.Service.Budgets;
using Ledger.Service.History;
using Ledger.Service.Holds;
using Ledger.Service.Keys;
using Ledger.Service.Transfers;

namespace Ledger.Service;

/// <summary>What this service is made of, and what it can be asked for.</summary>
internal static class LedgerServices
{
    /// <summary>Adds the ledger, without its database and its cache.</summary>
    public static void AddLedger(this IHostApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddValidation();
        services.AddOptions<LedgerOptions>().BindConfiguration("Ledger").ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton<LedgerMetrics>();
        services.AddSingleton<AccountLedger>();
        services.AddSingleton<TokenLedger>();
        services.AddSingleton<HoldLedger>();
        services.AddOpenings();
        services.AddOptions<WebhookOptions>().BindConfiguration("Ledger:Webhook").ValidateDataAnnotations()
            .ValidateOnStart();
        services.AddHostedService<LimitWebhook>();
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
