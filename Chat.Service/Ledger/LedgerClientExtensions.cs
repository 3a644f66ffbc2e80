namespace Chat.Service.Ledger;

/// <summary>Registers the way to Ledger.Service.</summary>
internal static class LedgerClientExtensions
{
    /// <summary>
    /// Adds <see cref="LedgerClient"/>, which finds the ledger by service discovery and signs in as a service.
    /// </summary>
    /// <param name="builder">The service's builder.</param>
    public static void AddLedgerClient(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<LedgerClientOptions>()
            .BindConfiguration("Ledger").ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<ServiceTokens>();
        builder.Services.AddTransient<ServiceTokenHandler>();
        builder.Services.AddHttpClient(
            ServiceTokens.IdentityClient, client => client.BaseAddress = new("http://identity"));
        builder.Services.AddHttpClient<LedgerClient>(client => client.BaseAddress = new("http://ledger"))
            .AddHttpMessageHandler<ServiceTokenHandler>();
    }
}
