using Microsoft.Extensions.DependencyInjection;

namespace Aspire.Hosting;

/// <summary>Commands of the services, with their settings, which run when they are told to.</summary>
internal static class ByHand
{
    /// <summary>Adds <c>ledger-verify</c>, which computes all balances again and names what is off.</summary>
    /// <param name="builder">The application.</param>
    /// <param name="ledgerDb">The books.</param>
    /// <param name="cache">The ledger's cache.</param>
    /// <param name="cacheKey">What signs the balances there.</param>
    public static void AddLedgerVerify(
        this IDistributedApplicationBuilder builder,
        IResourceBuilder<IResourceWithConnectionString> ledgerDb,
        IResourceBuilder<IResourceWithConnectionString> cache,
        IResourceBuilder<ParameterResource> cacheKey) => builder
        .AddProject<Projects.Ledger_Service>("ledger-verify", launchProfileName: null).WithArgs("verify")
        .WithReference(ledgerDb).WithReference(cache).WithEnvironment("Ledger__CacheKey", cacheKey)
        .WithExplicitStart().ExcludeFromManifest();

    /// <summary>
    /// Adds <c>identity-import</c> when <c>--ImportDjango=db.sqlite3</c> asks for it. It runs once, when the gateway is
    /// ready, and again when it is told to.
    /// </summary>
    /// <param name="builder">The application.</param>
    /// <param name="identityDb">Where the users go.</param>
    /// <param name="keySecret">Opens the keys there, with which the command signs its calls.</param>
    /// <param name="ledger">Where the balances go.</param>
    /// <param name="chat">Where the chats go.</param>
    /// <param name="gateway">What is ready when all services are.</param>
    public static void AddDjangoImport(
        this IDistributedApplicationBuilder builder,
        IResourceBuilder<IResourceWithConnectionString> identityDb,
        IResourceBuilder<ParameterResource> keySecret,
        IResourceBuilder<ProjectResource> ledger,
        IResourceBuilder<ProjectResource> chat,
        IResourceBuilder<ProjectResource> gateway)
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
        // Started by an event and not by itself: what starts by itself is started again when some users are refused.
        builder.Eventing.Subscribe<ResourceReadyEvent>(gateway.Resource, (ready, cancellationToken) =>
            ready.Services.GetRequiredService<ResourceCommandService>().ExecuteCommandAsync(
                import.Resource.Name, KnownResourceCommands.StartCommand, cancellationToken));
    }
}
