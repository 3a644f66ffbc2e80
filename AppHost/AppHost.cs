using AppHost;
using AppHost.Servers;

LocalMachine.Prepare(args);
var builder = DistributedApplication.CreateBuilder(args);
var options = AppHostOptions.Read(builder.Configuration); // --GatewayPort=9000 --Replicas=2 --Storage=ephemeral …
var adminUsername = builder.AddParameter("admin-username", "admin", publishValueAsDefault: true);
var adminPassword = builder.AddSecret("admin-password", options.Storage);
var chatClientSecret = builder.AddSecret("chat-client-secret", options.Storage);
var ledgerClientSecret = builder.AddSecret("ledger-client-secret", options.Storage);
var gatewayClientSecret = builder.AddSecret("gateway-client-secret", options.Storage);
var ledgerCacheKey = builder.AddSecret("ledger-cache-key", options.Storage);
var identityKeySecret = builder.AddSecret("identity-key-secret", options.Storage);

var servers = builder.AddDataServers(options); // --Servers=processes or containers, or --ConnectionStrings:cache=…
var addDatabase = servers.AddPostgres("postgres");
var identityDb = addDatabase("identitydb");
var ledgerDb = addDatabase("ledgerdb");
var chatDb = addDatabase("chatdb");
var cache = servers.AddRedis("cache");

var identity = builder.AddService<Projects.Identity_Service>("identity", options.Replicas)
    .With(replica => replica
        .WithReference(identityDb).WaitFor(identityDb)
        .WithEnvironment("Admin__Username", adminUsername).WithEnvironment("Admin__Password", adminPassword)
        .WithEnvironment("Auth__KeyProtectionSecret", identityKeySecret).WithSettings("Registration", "Opening")
        .WithEnvironment("Clients__chat__Secret", chatClientSecret)
        .WithEnvironment("Clients__ledger__Secret", ledgerClientSecret)
        .WithEnvironment("Clients__gateway__Secret", gatewayClientSecret));

var ledger = builder.AddService<Projects.Ledger_Service>("ledger", options.Replicas)
    .With(replica => replica
        .WithReference(ledgerDb).WaitFor(ledgerDb)
        .WithReference(cache).WithEnvironment("Ledger__CacheKey", ledgerCacheKey)
        .WithEnvironment("Identity__ClientSecret", ledgerClientSecret).WithSettings("Ledger")) // --Ledger:Webhook:Url=
    .WithReference(identity);

var chat = builder.AddService<Projects.Chat_Service>("chat", options.Replicas)
    .With(replica => replica
        .WithReference(chatDb).WaitFor(chatDb)
        .WithEnvironment("Ledger__ClientSecret", chatClientSecret).WithEnvironment("Chat__DrainFor", "00:00:04"))
    .WithReference(identity).WithReference(ledger);
identity.WithReference(ledger).WithReference(chat); // To close the account, and erase the chats, of a user who leaves.

var gateway = builder.AddService<Projects.Gateway>("gateway", options.Replicas, options.GatewayPort)
    .With(replica => replica
        .WithReference(cache).WithExternalHttpEndpoints().WithEnvironment("Identity__ClientSecret", gatewayClientSecret)
        .WithSettings("Limits", "Connections", "Cors", "Proxies", "Https"))
    .WithHttps().WithReference(identity).WithReference(ledger).WithReference(chat)
    .WaitFor(identity).WaitFor(ledger).WaitFor(chat)
    .SayWhenReady("AspireChat");

builder.AddLedgerVerify(ledger, ledgerDb, cache, ledgerCacheKey);
builder.AddReconcile(chat, chatDb, chatClientSecret, identity, ledger);
builder.AddKeyRotation(identity, identityDb, identityKeySecret);
builder.AddDjangoImport(gateway, identityDb, ledgerDb, chatDb); // --ImportDjango=db.sqlite3
builder.AddStopOrder();
builder.AddRestarts();
builder.AddOrchestratorCertificate();
builder.Build().Run();
