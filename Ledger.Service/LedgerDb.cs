using Ledger.Service.Accounts;
using Ledger.Service.Holds;
using Ledger.Service.Keys;
using Ledger.Service.Transfers;
using Microsoft.EntityFrameworkCore;

namespace Ledger.Service;

/// <summary>The schema of <c>ledgerdb</c>. The constraints are the last word on every rule they can express.</summary>
internal sealed class LedgerDb(DbContextOptions<LedgerDb> options) : DbContext(options)
{
    public DbSet<Account> Accounts => Set<Account>();

    public DbSet<Transfer> Transfers => Set<Transfer>();

    public DbSet<Hold> Holds => Set<Hold>();

    public DbSet<KeySpending> KeySpending => Set<KeySpending>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Account>(account =>
        {
            account.Property(a => a.Id).ValueGeneratedNever();
            account.Property(a => a.OpenedAt).HasDefaultValueSql("now()");
            account.HasStorageParameter("fillfactor", 70); // Room for updates beside the row: see docs/ledger.md.
            account.ToTable("accounts", table =>
            {
                table.HasCheckConstraint("ck_accounts_balance", "0 <= held AND held <= balance");
                table.HasCheckConstraint("ck_accounts_id", "id > 0"); // System accounts have no row: see SystemAccount.
            });
        });
        modelBuilder.Entity<Hold>(hold =>
        {
            hold.HasKey(h => new { h.AccountId, h.Id });
            hold.Property(h => h.CreatedAt).HasDefaultValueSql("now()");
            hold.Property(h => h.RenewedAt).HasDefaultValueSql("now()");
            // Rows live for a second. What is dead has to go at once: thousands of them halve the rate.
            hold.HasStorageParameter("fillfactor", 50);
            hold.HasStorageParameter("autovacuum_vacuum_scale_factor", 0);
            hold.HasStorageParameter("autovacuum_vacuum_threshold", 1000);
            hold.HasStorageParameter("autovacuum_vacuum_cost_delay", 0);
            hold.ToTable("holds", table =>
            {
                table.HasCheckConstraint("ck_holds_amount", "amount >= 0");
                table.HasCheckConstraint("ck_holds_key", "(key_id IS NULL) = (key_day IS NULL)");
            });
        });
        modelBuilder.Entity<Transfer>(transfer =>
        {
            transfer.Property(t => t.Id).ValueGeneratedNever();
            transfer.Property(t => t.CreatedAt).HasDefaultValueSql("now()");
            transfer.Property(t => t.Account)
                .HasComputedColumnSql("greatest(debit_account, credit_account)", stored: true);
            transfer.HasIndex(t => new { t.Account, t.Version }).IsUnique()
                .HasFilter("version IS NOT NULL").HasDatabaseName("ux_transfers_account_version");
            // By time, for Chat.Service after a crash. Rows come in that order, so a few bytes for many pages do.
            transfer.HasIndex(t => t.CreatedAt).HasMethod("brin").HasDatabaseName("ix_transfers_created_at");
            transfer.HasIndex(t => new { t.ChargeId, t.Refundable }).IsUnique()
                .HasFilter("charge_id IS NOT NULL").HasDatabaseName("ux_transfers_charge_refundable");
            transfer.ToTable("transfers", table =>
            {
                table.HasCheckConstraint("ck_transfers_kind", $"CASE kind {string.Join(' ', Rules())} ELSE false END");
                table.HasCheckConstraint("ck_transfers_balance_after", "balance_after >= 0");
                table.HasCheckConstraint(
                    "ck_transfers_key",
                    "CASE WHEN key_id IS NULL THEN key_day IS NULL ELSE key_day IS NOT NULL AND kind IN (2, 3, 4) END");
            });
        });
        modelBuilder.Entity<KeySpending>(key =>
        {
            // By account, like the books: keys of different users never meet, whatever their numbers.
            key.HasKey(k => new { k.Account, k.KeyId });
            key.HasStorageParameter("fillfactor", 70);
            key.ToTable("key_spending", table => table.HasCheckConstraint(
                "ck_key_spending_today", "today >= 0 AND total >= today"));
        });
    }

    /// <summary>What each kind of transfer moves, and between whom.</summary>
    private static IEnumerable<string> Rules()
    {
        const string Issued = "amount > 0 AND version IS NOT NULL AND debit_account = -1 AND credit_account > 0";
        const string Spent = "amount > 0 AND version IS NOT NULL AND debit_account > 0 AND credit_account = -2";
        yield return Rule(TransferKind.Opening, Issued);
        yield return Rule(TransferKind.Credit, Issued);
        yield return Rule(TransferKind.Charge, Spent);
        yield return Rule(TransferKind.Deduction, Spent);
        yield return Rule(
            TransferKind.Refund,
            "amount > 0 AND version IS NOT NULL AND debit_account = -2 AND credit_account > 0 "
            + "AND charge_id IS NOT NULL AND refundable >= amount");
        yield return Rule(TransferKind.Void, "amount = 0 AND version IS NULL AND account < 0");

        static string Rule(TransferKind kind, string rule) => $"WHEN {(short)kind} THEN {rule}";
    }
}
