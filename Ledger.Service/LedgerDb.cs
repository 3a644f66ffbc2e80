using Ledger.Service.Accounts;
using Ledger.Service.Budgets;
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

    public DbSet<LimitEvent> LimitEvents => Set<LimitEvent>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Account>(account =>
        {
            account.Property(a => a.Id).ValueGeneratedNever();
            account.Property(a => a.OpenedAt).HasDefaultValueSql("now()");
            account.Property(a => a.ThisMonth).HasDefaultValue(0L);
            account.HasStorageParameter("fillfactor", 70); // Room for updates beside the row: see docs/ledger.md.
            account.ToTable("accounts", table =>
            {
                table.HasCheckConstraint("ck_accounts_balance", "0 <= held AND held <= balance");
                table.HasCheckConstraint("ck_accounts_id", "id > 0");
                table.HasCheckConstraint("ck_accounts_month", "this_month >= 0 AND monthly_budget >= 0");
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
            hold.ToTable("holds", table => table.HasCheckConstraint("ck_holds_amount", "amount >= 0"));
        });
        modelBuilder.Entity<Transfer>(transfer =>
        {
            transfer.HasKey(t => new { t.Account, t.Id });
            transfer.HasIndex(t => new { t.Account, t.Version }).IsUnique()
                .HasDatabaseName("ux_transfers_account_version");
            transfer.Property(t => t.CreatedAt).HasDefaultValueSql("now()");
            // To verify what is new. Rows come in the order of time, so a few bytes for many pages do.
            transfer.HasIndex(t => t.CreatedAt).HasMethod("brin").HasDatabaseName("ix_transfers_created_at");
            transfer.ToTable("transfers", table =>
            {
                table.HasCheckConstraint("ck_transfers_account", "account > 0 AND version > 0");
                table.HasCheckConstraint(
                    "ck_transfers_kind",
                    "CASE WHEN kind IN (1, 4) THEN amount > 0 WHEN kind IN (2, 3, 5) THEN amount < 0 ELSE false END");
                table.HasCheckConstraint("ck_transfers_after", "0 <= held_after AND held_after <= balance_after");
                table.HasCheckConstraint(
                    "ck_transfers_spent",
                    "CASE WHEN kind IN (2, 3) THEN day IS NOT NULL ELSE day IS NULL AND key_id IS NULL END");
            });
        });
        modelBuilder.Entity<KeySpending>(key =>
        {
            // By account, like the books: keys of different users never meet, whatever their numbers.
            key.HasKey(k => new { k.Account, k.KeyId });
            key.HasStorageParameter("fillfactor", 70);
            key.ToTable("key_spending", table => table.HasCheckConstraint(
                "ck_key_spending_today", "today >= 0 AND this_month >= today AND total >= this_month"));
        });
        modelBuilder.Entity<LimitEvent>(limit =>
        {
            limit.HasKey(l => new { l.Account, l.Kind, l.KeyId, l.Period, l.Threshold });
            limit.Property(l => l.CreatedAt).HasDefaultValueSql("now()");
            limit.Property(l => l.NextAttemptAt).HasDefaultValueSql("now()");
            limit.Property(l => l.Attempts).HasDefaultValue(0);
            limit.HasIndex(l => l.NextAttemptAt).HasFilter("delivered_at IS NULL");
            limit.ToTable("limit_events");
        });
    }

    /// <summary>A function of the database, which the migration creates.</summary>
    /// <param name="file">Its folder and name, such as <c>Transfers.carry_out</c>.</param>
    public static string Function(string file)
    {
        using var sql = new StreamReader(
            typeof(LedgerDb).Assembly.GetManifestResourceStream($"Ledger.Service.{file}.sql")!);
        return sql.ReadToEnd();
    }
}
