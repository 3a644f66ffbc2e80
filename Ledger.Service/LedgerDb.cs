using Ledger.Service.Accounts;
using Ledger.Service.Transfers;
using Microsoft.EntityFrameworkCore;

namespace Ledger.Service;

/// <summary>The schema of <c>ledgerdb</c>. The constraints are the last word on every rule they can express.</summary>
internal sealed class LedgerDb(DbContextOptions<LedgerDb> options) : DbContext(options)
{
    public DbSet<Account> Accounts => Set<Account>();

    public DbSet<Transfer> Transfers => Set<Transfer>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Account>(account =>
        {
            account.Property(a => a.Id).ValueGeneratedNever();
            account.Property(a => a.OpenedAt).HasDefaultValueSql("now()");
            account.ToTable("accounts", table =>
            {
                table.HasCheckConstraint("ck_accounts_balance", "balance >= 0");
                table.HasCheckConstraint("ck_accounts_id", "id > 0"); // System accounts have no row: see SystemAccount.
            });
        });
        modelBuilder.Entity<Transfer>(transfer =>
        {
            transfer.Property(t => t.Id).ValueGeneratedNever();
            transfer.Property(t => t.CreatedAt).HasDefaultValueSql("now()");
            transfer.HasIndex(t => t.ChargeId).IsUnique()
                .HasFilter("charge_id IS NOT NULL").HasDatabaseName("ux_transfers_charge_id");
            transfer.ToTable("transfers", table =>
            {
                table.HasCheckConstraint("ck_transfers_amount", "amount > 0 OR (kind = 5 AND amount = 0)");
                table.HasCheckConstraint("ck_transfers_accounts", "debit_account <> credit_account");
                table.HasCheckConstraint("ck_transfers_balance_after", "balance_after >= 0");
            });
        });
    }
}
