using System;
using Ledger.Service.Holds;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Ledger.Service.Migrations
{
    /// <inheritdoc />
    public partial class Holds : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropCheckConstraint(
                name: "ck_accounts_balance",
                table: "accounts");

            migrationBuilder.AddColumn<long>(
                name: "held",
                table: "accounts",
                type: "bigint",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<long>(
                name: "revision",
                table: "accounts",
                type: "bigint",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.CreateTable(
                name: "holds",
                columns: table => new
                {
                    account_id = table.Column<long>(type: "bigint", nullable: false),
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    holder = table.Column<Guid>(type: "uuid", nullable: false),
                    request_hash = table.Column<byte[]>(type: "bytea", nullable: false),
                    amount = table.Column<long>(type: "bigint", nullable: false),
                    key_id = table.Column<long>(type: "bigint", nullable: true),
                    key_day = table.Column<DateOnly>(type: "date", nullable: true),
                    conversation = table.Column<long>(type: "bigint", nullable: true),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "now()"),
                    renewed_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "now()")
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_holds", x => new { x.account_id, x.id });
                    table.CheckConstraint("ck_holds_amount", "amount >= 0");
                    table.CheckConstraint("ck_holds_key", "(key_id IS NULL) = (key_day IS NULL)");
                })
                .Annotation("Npgsql:StorageParameter:autovacuum_vacuum_cost_delay", 0)
                .Annotation("Npgsql:StorageParameter:autovacuum_vacuum_scale_factor", 0)
                .Annotation("Npgsql:StorageParameter:autovacuum_vacuum_threshold", 1000)
                .Annotation("Npgsql:StorageParameter:fillfactor", 50);

            migrationBuilder.AddCheckConstraint(
                name: "ck_accounts_balance",
                table: "accounts",
                sql: "0 <= held AND held <= balance");

            migrationBuilder.Sql("UPDATE accounts SET revision = version");
            migrationBuilder.Sql(HoldLedger.Function);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("DROP FUNCTION carry_out");

            migrationBuilder.DropTable(
                name: "holds");

            migrationBuilder.DropCheckConstraint(
                name: "ck_accounts_balance",
                table: "accounts");

            migrationBuilder.DropColumn(
                name: "held",
                table: "accounts");

            migrationBuilder.DropColumn(
                name: "revision",
                table: "accounts");

            migrationBuilder.AddCheckConstraint(
                name: "ck_accounts_balance",
                table: "accounts",
                sql: "balance >= 0");
        }
    }
}
