using Microsoft.Extensions.Configuration;

var builder = DistributedApplication.CreateBuilder(args);

// dotnet run --project AppHost -- --GatewayPort=9000 --Replicas=2 --Storage=ephemeral
var gatewayPort = builder.Configuration.GetValue("GatewayPort", 8080);
var replicas = builder.Configuration.GetValue("Replicas", 1);
var storage = builder.Configuration.GetValue("Storage", "persistent");

var adminUsername = builder.AddParameter("admin-username", "admin", publishValueAsDefault: true);
var chatClientSecret = Secret("chat-client-secret");
var ledgerCacheKey = Secret("ledger-cache-key");
var identityKeySecret = Secret("identity-key-secret");

var postgres = builder.AddPostgres("postgres");
_ = storage switch
{
    "persistent" => postgres.WithDataVolume(),
    "ephemeral" => postgres,
    _ => throw new DistributedApplicationException($"Storage is '{storage}': use 'persistent' or 'ephemeral'."),
};

var identityDb = postgres.AddDatabase("identitydb");
var ledgerDb = postgres.AddDatabase("ledgerdb");
var chatDb = postgres.AddDatabase("chatdb");
var cache = builder.AddRedis("cache");

var identity = builder.AddProject<Projects.Identity_Service>("identity")
    .WithReference(identityDb).WaitFor(identityDb)
    .WithEnvironment("Admin__Username", adminUsername).WithEnvironment("Admin__Password", Secret("admin-password"))
    .WithEnvironment("Auth__KeyProtectionSecret", identityKeySecret)
    .WithEnvironment("Clients__chat__Secret", chatClientSecret)
    .WithHttpHealthCheck("/health").WithReplicas(replicas);

var ledger = builder.AddProject<Projects.Ledger_Service>("ledger")
    .WithReference(ledgerDb).WaitFor(ledgerDb)
    .WithReference(cache).WithEnvironment("Ledger__CacheKey", ledgerCacheKey)
    .WithReference(identity).WithHttpHealthCheck("/health").WithReplicas(replicas);

var chat = builder.AddProject<Projects.Chat_Service>("chat")
    .WithReference(chatDb).WaitFor(chatDb)
    .WithReference(identity)
    .WithReference(ledger).WithEnvironment("Ledger__ClientSecret", chatClientSecret)
    .WithHttpHealthCheck("/health").WithReplicas(replicas);
identity.WithReference(ledger).WithReference(chat); // To close the account, and erase the chats, of a user who leaves.

var gateway = builder.AddProject<Projects.Gateway>("gateway")
    .WithEndpoint("http", endpoint => endpoint.Port = gatewayPort).WithExternalHttpEndpoints()
    .WithReference(identity).WaitFor(identity).WithReference(ledger).WaitFor(ledger).WithReference(chat).WaitFor(chat)
    .WithReference(cache).WithSettings(builder.Configuration, "Limits", "Connections", "Cors", "Proxies", "Https")
    .WithHttps(builder.Configuration).WithHttpHealthCheck("/health", endpointName: "http").WithReplicas(replicas);

builder.AddLedgerVerify(ledgerDb, cache, ledgerCacheKey);
builder.AddDjangoImport(identityDb, identityKeySecret, ledger, chat, gateway); // --ImportDjango=db.sqlite3

builder.Build().Run();

IResourceBuilder<ParameterResource> Secret(string name) =>
    builder.AddParameter(name, new GenerateParameterDefault { MinLength = 32 }, secret: true, persist: true);
