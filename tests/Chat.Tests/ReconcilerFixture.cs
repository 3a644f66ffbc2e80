using Chat.Service;
using Chat.Service.Charges;
using Chat.Service.Chats;
using Chat.Service.Ledger;
using Npgsql;

namespace Chat.Tests;

/// <summary>A database and a ledger that the replicas of one test share.</summary>
internal sealed class ReconcilerFixture : IAsyncDisposable
{
    /// <summary>Long enough ago to be dead, and not yet to be looked after for the last time.</summary>
    public static readonly TimeSpan Dead = TimeSpan.FromSeconds(31);

    private readonly HttpClient _http;
    private readonly List<TestReplica> _replicas = [];

    private ReconcilerFixture(NpgsqlDataSource database, TestLedger ledger)
    {
        (Database, Ledger, Store) = (database, ledger, new ChatStore(database));
        _http = new HttpClient { BaseAddress = ledger.Address };
    }

    public NpgsqlDataSource Database { get; }

    public TestLedger Ledger { get; }

    public ChatStore Store { get; }

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public static async Task<ReconcilerFixture> StartAsync(ChatDatabase databases)
    {
        var fixture = new ReconcilerFixture(await databases.CreateOwnAsync(), await TestLedger.StartAsync());
        fixture.Ledger.Balance = 1_000_000;
        return fixture;
    }

    public static ChatCharge NewCharge() => new(Guid.NewGuid(), UserId: 5, "hello", Cost: 100);

    public TestReplica NewReplica(ChatSettings? settings = null, TimeProvider? clock = null)
    {
        var replica = new TestReplica(Database, new LedgerClient(_http), settings, clock);
        _replicas.Add(replica);
        return replica;
    }

    /// <summary>A replica that has these in flight, has said so, and has died.</summary>
    public async Task KillAsync(params ChatCharge[] charges)
    {
        var dead = NewReplica();
        await dead.LeaveAsync(charges);
        await dead.NoteAsync();
        await AgeAsync(Dead);
    }

    /// <summary>Makes all notes older.</summary>
    public Task AgeAsync(TimeSpan by) => ExecuteAsync("UPDATE replica_notes SET seen_at = seen_at - $1", by);

    /// <summary>How many notes there are.</summary>
    public async Task<long> NotesAsync()
    {
        await using var count = Database.CreateCommand("SELECT count(*) FROM replica_notes");
        return (long)(await count.ExecuteScalarAsync(CancellationToken).Soon())!;
    }

    public async Task ExecuteAsync(string sql, params object[] values)
    {
        await using var command = Database.CreateCommand(sql);
        command.Parameters.AddRange(values.Select(value => new NpgsqlParameter { Value = value }).ToArray());
        await command.ExecuteNonQueryAsync(CancellationToken).Soon();
    }

    /// <summary>What became of a charge in chatdb; null when nothing has.</summary>
    public async Task<ChatStatus?> StatusAsync(ChatCharge charge) =>
        (await Store.FindAsync(charge.Id, CancellationToken).Soon())?.Status;

    /// <summary>The user has it back, and it can be answered no more.</summary>
    public async Task AssertUndoneAsync(params ChatCharge[] charges)
    {
        foreach (var charge in charges)
        {
            Assert.False(Ledger.IsCharged(charge.Id), "It is still charged.");
            Assert.Equal(ChatStatus.Refunded, await StatusAsync(charge));
        }
    }

    /// <summary>Nobody has touched it.</summary>
    public async Task AssertUntouchedAsync(params ChatCharge[] charges)
    {
        foreach (var charge in charges)
        {
            Assert.True(Ledger.IsCharged(charge.Id), "It was given back.");
            Assert.NotEqual(ChatStatus.Refunded, await StatusAsync(charge));
        }
    }

    public async ValueTask DisposeAsync()
    {
        _replicas.ForEach(replica => replica.Dispose());
        _http.Dispose();
        await Ledger.DisposeAsync();
        await Database.DisposeAsync();
    }
}
