using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Ledger.Service.Migrations
{
    /// <inheritdoc />
    public partial class AccountHistory : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ux_transfers_charge_id",
                table: "transfers");

            migrationBuilder.DropCheckConstraint(
                name: "ck_transfers_accounts",
                table: "transfers");

            migrationBuilder.DropCheckConstraint(
                name: "ck_transfers_amount",
                table: "transfers");

            migrationBuilder.AlterTable(
                name: "accounts")
                .Annotation("Npgsql:StorageParameter:fillfactor", 70);

            migrationBuilder.AddColumn<long>(
                name: "refundable",
                table: "transfers",
                type: "bigint",
                nullable: true);

            migrationBuilder.AddColumn<long>(
                name: "version",
                table: "transfers",
                type: "bigint",
                nullable: true);

            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "closed_at",
                table: "accounts",
                type: "timestamp with time zone",
                nullable: true);

            migrationBuilder.AddColumn<long>(
                name: "account",
                table: "transfers",
                type: "bigint",
                nullable: false,
                computedColumnSql: "greatest(debit_account, credit_account)",
                stored: true);

            // Numbers the transfers that are there. Their times are those at which they were begun, so that those which
            // overlapped may be in another order: each must begin with the balance that the one before it has left.
            migrationBuilder.Sql("""
                CREATE INDEX numbering ON transfers (account) WHERE account > 0 AND version IS NULL;
                ALTER TABLE transfers DISABLE TRIGGER transfers_append_only;
                DO $$
                DECLARE of_account bigint; number bigint; tokens bigint; next record;
                BEGIN
                    FOR of_account IN SELECT id FROM accounts LOOP
                        number := 0;
                        tokens := 0;
                        LOOP
                            SELECT id, balance_after INTO next FROM transfers
                            WHERE account = of_account AND version IS NULL
                            ORDER BY balance_after = tokens
                                + CASE WHEN credit_account = of_account THEN amount ELSE -amount END DESC, created_at
                            LIMIT 1;
                            EXIT WHEN NOT FOUND;
                            number := number + 1;
                            tokens := next.balance_after;
                            UPDATE transfers SET version = number WHERE id = next.id;
                        END LOOP;
                        UPDATE accounts SET version = number WHERE id = of_account;
                    END LOOP;
                END $$;
                UPDATE transfers SET refundable = amount WHERE kind = 3;
                ALTER TABLE transfers ENABLE TRIGGER transfers_append_only;
                DROP INDEX numbering;
                """);

            migrationBuilder.CreateIndex(
                name: "ux_transfers_account_version",
                table: "transfers",
                columns: new[] { "account", "version" },
                unique: true,
                filter: "version IS NOT NULL");

            migrationBuilder.CreateIndex(
                name: "ux_transfers_charge_refundable",
                table: "transfers",
                columns: new[] { "charge_id", "refundable" },
                unique: true,
                filter: "charge_id IS NOT NULL");

            migrationBuilder.AddCheckConstraint(
                name: "ck_transfers_kind",
                table: "transfers",
                sql: """
                    CASE kind
                        WHEN 1 THEN amount > 0 AND version IS NOT NULL AND debit_account = -1 AND credit_account > 0
                        WHEN 6 THEN amount > 0 AND version IS NOT NULL AND debit_account = -1 AND credit_account > 0
                        WHEN 2 THEN amount > 0 AND version IS NOT NULL AND debit_account > 0 AND credit_account = -2
                        WHEN 4 THEN amount > 0 AND version IS NOT NULL AND debit_account > 0 AND credit_account = -2
                        WHEN 3 THEN amount > 0 AND version IS NOT NULL AND debit_account = -2 AND credit_account > 0
                            AND charge_id IS NOT NULL AND refundable >= amount
                        WHEN 5 THEN amount = 0 AND version IS NULL AND account < 0
                        ELSE false
                    END
                    """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ux_transfers_account_version",
                table: "transfers");

            migrationBuilder.DropIndex(
                name: "ux_transfers_charge_refundable",
                table: "transfers");

            migrationBuilder.DropCheckConstraint(
                name: "ck_transfers_kind",
                table: "transfers");

            migrationBuilder.DropColumn(
                name: "account",
                table: "transfers");

            migrationBuilder.DropColumn(
                name: "refundable",
                table: "transfers");

            migrationBuilder.DropColumn(
                name: "version",
                table: "transfers");

            migrationBuilder.DropColumn(
                name: "closed_at",
                table: "accounts");

            migrationBuilder.AlterTable(
                name: "accounts")
                .OldAnnotation("Npgsql:StorageParameter:fillfactor", 70);

            migrationBuilder.CreateIndex(
                name: "ux_transfers_charge_id",
                table: "transfers",
                column: "charge_id",
                unique: true,
                filter: "charge_id IS NOT NULL");

            migrationBuilder.AddCheckConstraint(
                name: "ck_transfers_accounts",
                table: "transfers",
                sql: "debit_account <> credit_account");

            migrationBuilder.AddCheckConstraint(
                name: "ck_transfers_amount",
                table: "transfers",
                sql: "amount > 0 OR (kind = 5 AND amount = 0)");
        }
    }
}
