using Microsoft.Extensions.DependencyInjection;

namespace AppHost;

/// <summary>Commands of the services, with their settings, which run when somebody starts them.</summary>
internal static class Tools
{
    /// <summary>
    /// Adds <c>ledger-verify</c>, which computes all balances again and names what is off, and a command on the ledger
    /// that starts it.
    /// </summary>
    public static void AddLedgerVerify(
        this IDistributedApplicationBuilder builder,
        Service ledger,
        IResourceBuilder<IResourceWithConnectionString> ledgerDb,
        IResourceBuilder<IResourceWithConnectionString> cache,
        IResourceBuilder<ParameterResource> cacheKey)
    {
        var verify = builder
            .AddProject<Projects.Ledger_Service>("ledger-verify", launchProfileName: null).WithArgs("verify")
            .WithReference(ledgerDb).WithReference(cache).WithEnvironment("Ledger__CacheKey", cacheKey)
            .WithExplicitStart().ExcludeFromManifest();
        ledger.First.WithCommand(
            "verify", "Verify the books",
            context => context.Services.GetRequiredService<ResourceCommandService>().ExecuteCommandAsync(
                verify.Resource, KnownResourceCommands.StartCommand, context.CancellationToken),
            new CommandOptions
            {
                Description = "Computes all balances again; the result is in the logs of ledger-verify.",
                IconName = "Calculator",
            });
    }

    /// <summary>
    /// Adds <c>identity-import</c> when <c>--ImportDjango=db.sqlite3</c> asks for it. It runs once, when the gateway is
    /// ready, and again when somebody starts it.
    /// </summary>
    public static void AddDjangoImport(
        this IDistributedApplicationBuilder builder,
        IResourceBuilder<IResourceWithConnectionString> identityDb,
        IResourceBuilder<ParameterResource> keySecret,
        Service ledger,
        Service chat,
        Service gateway)
    {
        if (builder.Configuration["ImportDjango"] is not { Length: > 0 } file)
        {
            return;
        }

        var import = builder.AddProject<Projects.Identity_Service>("identity-import", launchProfileName: null)
            .WithArgs("import-django", Path.GetFullPath(file))
            .WithReference(identityDb).WithEnvironment("Auth__KeyProtectionSecret", keySecret)
            .WithReference(ledger).WithReference(chat)
            .WithExplicitStart().ExcludeFromManifest();
        gateway.First.OnResourceReady((_, ready, cancellationToken) =>
            ready.Services.GetRequiredService<ResourceCommandService>().ExecuteCommandAsync(
                import.Resource, KnownResourceCommands.StartCommand, cancellationToken));
    }
}
