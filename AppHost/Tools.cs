using Microsoft.Extensions.DependencyInjection;

namespace AppHost;

/// <summary>Commands of the services' programs, with their settings, which run when somebody starts them.</summary>
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
        IResourceBuilder<ParameterResource> cacheKey) =>
        builder.AddTool<Projects.Ledger_Service>("ledger-verify", "verify")
            .WithReference(ledgerDb).WithReference(cache).WithEnvironment("Ledger__CacheKey", cacheKey)
            .AsCommandOf(ledger, "Verify the books", "Computes all balances again", "Calculator");

    /// <summary>
    /// Adds <c>chat-reconcile</c>, which names the chats of the last day that are stored and not paid for, and
    /// <c>chat-reconcile-charge</c>, which charges them as well, with commands on Chat that start them.
    /// </summary>
    public static void AddReconcile(
        this IDistributedApplicationBuilder builder,
        Service chat,
        IResourceBuilder<IResourceWithConnectionString> chatDb,
        IResourceBuilder<ParameterResource> clientSecret,
        Service identity,
        Service ledger)
    {
        Add("chat-reconcile", "reconcile").AsCommandOf(
            chat, "Find unpaid chats", "Names stored chats of the last day that nobody has paid for", "Receipt");
        Add("chat-reconcile-charge", "reconcile", "--charge").AsCommandOf(
            chat, "Charge unpaid chats", "Charges stored chats of the last day that nobody has paid for", "ReceiptAdd");

        IResourceBuilder<ProjectResource> Add(string name, params string[] arguments) => builder
            .AddTool<Projects.Chat_Service>(name, arguments)
            .WithReference(chatDb).WithEnvironment("Ledger__ClientSecret", clientSecret)
            .WithReference(identity).WithReference(ledger);
    }

    /// <summary>
    /// Adds <c>identity-rotate-keys</c>, which publishes the keys that sign and encrypt tokens next, and a command on
    /// Identity that starts it.
    /// </summary>
    public static void AddKeyRotation(
        this IDistributedApplicationBuilder builder,
        Service identity,
        IResourceBuilder<IResourceWithConnectionString> identityDb,
        IResourceBuilder<ParameterResource> keySecret) =>
        builder.AddTool<Projects.Identity_Service>("identity-rotate-keys", "rotate-keys")
            .WithReference(identityDb).WithEnvironment("Auth__KeyProtectionSecret", keySecret)
            .AsCommandOf(identity, "Rotate keys", "Publishes the keys that sign tokens next", "Key");

    /// <summary>
    /// Adds <c>django-import</c> when <c>--ImportDjango=db.sqlite3</c> asks for it. It runs once, when the gateway is
    /// ready, and again when somebody starts it.
    /// </summary>
    public static void AddDjangoImport(
        this IDistributedApplicationBuilder builder,
        Service gateway,
        params ReadOnlySpan<IResourceBuilder<IResourceWithConnectionString>> databases)
    {
        if (builder.Configuration["ImportDjango"] is not { Length: > 0 } file)
        {
            return;
        }

        var import = builder.AddTool<Projects.ImportDjango>("django-import", "--source", Path.GetFullPath(file));
        foreach (var database in databases)
        {
            import.WithReference(database);
        }

        var isStarted = false;
        gateway.First.OnResourceReady((_, ready, cancellationToken) =>
            Interlocked.Exchange(ref isStarted, true) ? Task.CompletedTask // The gateway was started again.
                : StartAsync(import, ready.Services, cancellationToken));
    }

    private static IResourceBuilder<ProjectResource> AddTool<TProject>(
        this IDistributedApplicationBuilder builder, string name, params string[] arguments)
        where TProject : IProjectMetadata, new() => builder
            .AddProject<TProject>(name, launchProfileName: null).StartsBuiltProgram().WithArgs(arguments)
            .WithExplicitStart().ExcludeFromManifest();

    private static void AsCommandOf(
        this IResourceBuilder<ProjectResource> tool, Service service, string title, string what, string icon) =>
        service.First.WithCommand(
            tool.Resource.Name,
            title,
            context => StartAsync(tool, context.Services, context.CancellationToken),
            new CommandOptions
            {
                Description = $"{what}; the result is in the logs of {tool.Resource.Name}.",
                IconName = icon,
            });

    /// <summary>Starts a tool, unless it runs: Aspire would end that run.</summary>
    private static async Task<ExecuteCommandResult> StartAsync(
        IResourceBuilder<ProjectResource> tool, IServiceProvider services, CancellationToken cancellationToken) =>
        services.GetRequiredService<ResourceNotificationService>()
            .TryGetCurrentState(tool.Resource.Name, out var now)
            && (now.Snapshot.State == KnownResourceStates.Starting || now.Snapshot.State == KnownResourceStates.Running)
            ? CommandResults.Failure($"{tool.Resource.Name} is running.")
            : await services.GetRequiredService<ResourceCommandService>().ExecuteCommandAsync(
                tool.Resource, KnownResourceCommands.StartCommand, cancellationToken);
}
