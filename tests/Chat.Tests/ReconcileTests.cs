using System.Diagnostics;
using Chat.Service;
using Chat.Service.Chats;
using Chat.Service.Reconciliation;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Chat.Tests;

/// <summary>Stored chats for which the ledger has neither a hold nor a transfer are found, and paid for once.</summary>
public sealed class ReconcileTests(ChatDatabase database) : IAsyncLifetime
{
    private const long User = 11;

    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(2);

    private NpgsqlDataSource _source = null!;
    private TestLedger _ledger = null!;
    private TestReplica _replica = null!;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _source = await database.CreateOwnAsync();
        _ledger = await TestLedger.StartAsync();
        _replica = new TestReplica(_source, _ledger.Address);
    }

    public async ValueTask DisposeAsync()
    {
        _replica.Dispose();
        await _ledger.DisposeAsync();
        await _source.DisposeAsync();
    }

    [Fact]
    public async Task Reconcile_NamesWhatNobodyPaidFor_AndNothingElse()
    {
        await _replica.AnswerAsync(NewChat(), ScriptedModel.Answers("hi"));
        await _ledger.SettledAsync();
        await _replica.Store.AddTombstoneAsync(NewChat().ToHold(), CancellationToken).Soon();
        await StoreAsync(NewChat() with { Most = 0 });
        var (old, erased, unpaid) = (NewChat(), NewChat(), NewChat());
        await StoreAsync(old, erased, unpaid);
        await ExecuteAsync($"UPDATE chats SET created_at = now() - interval '2 days' WHERE hold_id = '{old.Id}'");
        await using (var db = ChatDatabase.CreateContext(_source))
        {
            await Erasure.EraseAsync(db.Chats.Where(chat => chat.HoldId == erased.Id), CancellationToken).Soon();
        }

        Assert.Equal(Sorted(erased, unpaid), await FindAsync());
        Assert.Equal((3900, 0), (_ledger.Balance, _ledger.Held));
        Assert.Equal(Sorted(old, erased, unpaid), await FindAsync(days: 3));
    }

    /// <summary>Its capture is on its way, or would be the sweep's.</summary>
    [Fact]
    public async Task Reconcile_OfAChatThatIsHeld_CapturesIt()
    {
        _ledger.Before["capture"] = TestLedger.Down;
        await _replica.AnswerAsync(NewChat(), ScriptedModel.Answers("hi"));
        _ledger.Recover();
        Assert.Empty(await FindAsync());
        Assert.Equal((3900, 0), (_ledger.Balance, _ledger.Held));
    }

    [Fact]
    public async Task Reconcile_OfMoreThanAPage_NamesAll()
    {
        PendingChat[] chats = [.. Enumerable.Range(0, 1_203).Select(n => NewChat() with { UserId = User + (n % 7) })];
        await StoreAsync(chats);
        Assert.Equal(Sorted(chats), await FindAsync());
    }

    [Fact]
    public async Task Charge_AlsoByManyAtOnce_TakesEachCostOnce()
    {
        await StoreAsync([.. Enumerable.Range(0, 5).Select(_ => NewChat())]);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => ChargeAsync())).Soon();
        Assert.Equal((3500, 0), (_ledger.Balance, _ledger.Held));
        Assert.Empty(await FindAsync());
    }

    [Fact]
    public async Task Charge_OfMoreThanThereIs_IsLeftAndSaysWhy()
    {
        _ledger.Balance = 150;
        await StoreAsync(NewChat(), NewChat());
        Assert.Equal([HoldOutcome.Captured, HoldOutcome.InsufficientTokens], await ChargeAsync());
        Assert.Equal((50, 0), (_ledger.Balance, _ledger.Held));
        Assert.Single(await FindAsync());
    }

    [Fact]
    public async Task Command_AsAProcess_SaysWhatIsLeftAndExits()
    {
        Assert.Equal(0, await RunAsync("0 chats of the last 1 days were not paid for, 0 are left", []));
        var chat = NewChat();
        await StoreAsync(chat);
        Assert.Equal(1, await RunAsync($"user {User}, chat 1, hold {chat.Id}, 100 tokens", []));
        Assert.Equal(4000, _ledger.Balance);
        Assert.Equal(0, await RunAsync("were not paid for, 0 are left", "--days=2", "--charge"));
        Assert.Equal(3900, _ledger.Balance);
        Assert.Equal(2, await RunAsync("Use: reconcile", "--days=0"));
        _ledger.Before["capture"] = TestLedger.Down;
        Assert.Equal(2, await RunAsync("The ledger cannot be asked", []));
    }

    private static PendingChat NewChat() => new(Guid.CreateVersion7(), User, "hello") { Most = 100 };

    private static IEnumerable<Guid> Sorted(params PendingChat[] chats) => chats.Select(chat => chat.Id).Order();

    private async Task<IEnumerable<Guid>> FindAsync(int days = 1)
    {
        await using var db = ChatDatabase.CreateContext(_source);
        var found = await new Reconciler(db, _replica.Ledger)
            .FindAsync(DateTimeOffset.UtcNow.AddDays(-days), charges: false, CancellationToken)
            .Select(unpaid => unpaid.Chat.HoldId).ToListAsync(CancellationToken);
        return found.Order();
    }

    private async Task<HoldOutcome?[]> ChargeAsync()
    {
        await using var db = ChatDatabase.CreateContext(_source);
        return await new Reconciler(db, _replica.Ledger)
            .FindAsync(DateTimeOffset.UtcNow.AddDays(-1), charges: true, CancellationToken)
            .Select(unpaid => unpaid.Charge).ToArrayAsync(CancellationToken);
    }

    private Task<StoredChat?[]> StoreAsync(params PendingChat[] chats) =>
        Task.WhenAll(chats.Select(chat => _replica.Store.AddAsync(chat.Answered("hi", 3900)))).Soon();

    private async Task ExecuteAsync(string sql)
    {
        await using var command = _source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(CancellationToken).Soon();
    }

    private async Task<int> RunAsync(string says, params string[] args)
    {
        var start = new ProcessStartInfo("dotnet", ["exec", typeof(ChatDb).Assembly.Location, "reconcile", .. args])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["ConnectionStrings__chatdb"] = database.ConnectionStringOf(_source);
        start.Environment["Ledger__ClientSecret"] = "secret";
        start.Environment["services__ledger__http__0"] = $"{_ledger.Address}";
        start.Environment["services__identity__http__0"] = $"{_ledger.Address}";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken);
        var error = process.StandardError.ReadToEndAsync(CancellationToken);
        await process.WaitForExitAsync(CancellationToken).WaitAsync(Timeout, CancellationToken);
        Assert.Contains(says, await output + await error, StringComparison.Ordinal);
        return process.ExitCode;
    }
}
