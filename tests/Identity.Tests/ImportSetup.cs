using Identity.Service;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Identity.Tests;

/// <summary>A Django project, and Identity.Service with a database of its own and other services in memory.</summary>
internal sealed class ImportSetup : IAsyncDisposable
{
    private ImportSetup(DjangoFile file, ImportStub others, IdentityServer service, string connectionString)
    {
        (File, Others, Service, ConnectionString) = (file, others, service, connectionString);
        Database = NpgsqlDataSource.Create(connectionString);
        Client = service.CreateClientAt(IdentityApi.NewAddress());
    }

    public DjangoFile File { get; }

    public ImportStub Others { get; }

    public IdentityServer Service { get; }

    public string ConnectionString { get; }

    public NpgsqlDataSource Database { get; }

    public HttpClient Client { get; }

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public static async Task<ImportSetup> StartAsync(IdentityFixture identity, bool hasProfiles = false)
    {
        var connectionString = await identity.CreateDatabaseAsync();
        var others = await ImportStub.StartAsync();
        var service = new IdentityServer(connectionString, new()
        {
            ["services:ledger:http:0"] = others.Address,
            ["services:chat:http:0"] = others.Address,
            ["Import:Patience"] = "00:00:01",
        });
        await service.StartAsync();
        return new(new DjangoFile(hasProfiles), others, service, connectionString);
    }

    /// <summary>Imports what is in the file.</summary>
    public async Task<ImportReport> ImportAsync()
    {
        using var never = CancellationTokenSource.CreateLinkedTokenSource(CancellationToken);
        return await ImportUntilAsync(never);
    }

    /// <summary>Imports what is in the file, or as much of it as comes before a stop.</summary>
    public async Task<ImportReport> ImportUntilAsync(CancellationTokenSource stop)
    {
        var report = new ImportReport();
        await Service.Services.GetRequiredService<DjangoImport>().RunAsync(File.Open(), report, stop.Token).Soon();
        return report;
    }

    /// <summary>Everything that an import writes, here and in the other services.</summary>
    public async Task<string> StateAsync()
    {
        var users = await TextAsync("SELECT string_agg(to_jsonb(u)::text, '\n' ORDER BY id) FROM users u");
        var imported = await TextAsync(
            "SELECT string_agg(to_jsonb(i)::text, '\n' ORDER BY user_id) FROM imported_users i");
        var accounts = string.Join('\n', Others.Accounts.OrderBy(account => account.Key));
        var chats = Others.Chats.OrderBy(user => user.Key)
            .SelectMany(user => user.Value.Select(chat => (user.Key, chat)));
        return string.Join("\n\n", users, imported, accounts, string.Join('\n', chats));
    }

    /// <summary>Reads one text with SQL.</summary>
    public async Task<string> TextAsync(string sql)
    {
        await using var command = Database.CreateCommand(sql);
        return $"{await command.ExecuteScalarAsync(CancellationToken).Soon()}";
    }

    /// <summary>The number of an imported user.</summary>
    public async Task<long> IdAsync(string name) =>
        long.Parse(await TextAsync($"SELECT id FROM users WHERE user_name = '{name}'"), null);

    public Task<string> HashAsync(string name) =>
        TextAsync($"SELECT password_hash FROM users WHERE user_name = '{name}'");

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Service.DisposeAsync();
        await Others.DisposeAsync();
        await Database.DisposeAsync();
        File.Dispose();
    }
}
