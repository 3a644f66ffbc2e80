using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Ledger.Service.Migrations
{
    /// <inheritdoc />
    public partial class Initial : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "accounts",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false),
                    balance = table.Column<long>(type: "bigint", nullable: false),
                    held = table.Column<long>(type: "bigint", nullable: false),
                    version = table.Column<long>(type: "bigint", nullable: false),
                    revision = table.Column<long>(type: "bigint", nullable: false),
                    monthly_budget = table.Column<long>(type: "bigint", nullable: true),
                    month = table.Column<DateOnly>(type: "date", nullable: true),
                    this_month = table.Column<long>(type: "bigint", nullable: false, defaultValue: 0L),
                    opened_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "now()"),
                    closed_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_accounts", x => x.id);
                    table.CheckConstraint("ck_accounts_balance", "0 <= held AND held <= balance");
                    table.CheckConstraint("ck_accounts_id", "id > 0");
                    table.CheckConstraint("ck_accounts_month", "this_month >= 0 AND monthly_budget >= 0");
                })
                .Annotation("Npgsql:StorageParameter:fillfactor", 70);

            migrationBuilder.CreateTable(
                name: "holds",
                columns: table => new
                {
                    account_id = table.Column<long>(type: "bigint", nullable: false),
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    holder = table.Column<Guid>(type: "uuid", nullable: false),
                    request_hash = table.Column<byte[]>(type: "bytea", nullable: false),
                    amount = table.Column<long>(type: "bigint", nullable: false),
                    day = table.Column<DateOnly>(type: "date", nullable: false),
                    key_id = table.Column<long>(type: "bigint", nullable: true),
                    conversation = table.Column<Guid>(type: "uuid", nullable: true),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "now()"),
                    renewed_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "now()")
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_holds", x => new { x.account_id, x.id });
                    table.CheckConstraint("ck_holds_amount", "amount >= 0");
                })
                .Annotation("Npgsql:StorageParameter:autovacuum_vacuum_cost_delay", 0)
                .Annotation("Npgsql:StorageParameter:autovacuum_vacuum_scale_factor", 0)
                .Annotation("Npgsql:StorageParameter:autovacuum_vacuum_threshold", 1000)
                .Annotation("Npgsql:StorageParameter:fillfactor", 50);

            migrationBuilder.CreateTable(
                name: "key_spending",
                columns: table => new
                {
                    account = table.Column<long>(type: "bigint", nullable: false),
                    key_id = table.Column<long>(type: "bigint", nullable: false),
                    total = table.Column<long>(type: "bigint", nullable: false),
                    day = table.Column<DateOnly>(type: "date", nullable: false),
                    today = table.Column<long>(type: "bigint", nullable: false),
                    this_month = table.Column<long>(type: "bigint", nullable: false),
                    total_limit = table.Column<long>(type: "bigint", nullable: true),
                    daily_limit = table.Column<long>(type: "bigint", nullable: true),
                    monthly_limit = table.Column<long>(type: "bigint", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_key_spending", x => new { x.account, x.key_id });
                    table.CheckConstraint("ck_key_spending_today", "today >= 0 AND this_month >= today AND total >= this_month");
                })
                .Annotation("Npgsql:StorageParameter:fillfactor", 70);

            migrationBuilder.CreateTable(
                name: "limit_events",
                columns: table => new
                {
                    account = table.Column<long>(type: "bigint", nullable: false),
                    kind = table.Column<string>(type: "text", nullable: false),
                    key_id = table.Column<long>(type: "bigint", nullable: false),
                    period = table.Column<DateOnly>(type: "date", nullable: false),
                    threshold = table.Column<int>(type: "integer", nullable: false),
                    most = table.Column<long>(type: "bigint", nullable: false),
                    spent = table.Column<long>(type: "bigint", nullable: false),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "now()"),
                    attempts = table.Column<int>(type: "integer", nullable: false, defaultValue: 0),
                    next_attempt_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "now()"),
                    delivered_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_limit_events", x => new { x.account, x.kind, x.key_id, x.period, x.threshold });
                });

            migrationBuilder.CreateTable(
                name: "transfers",
                columns: table => new
                {
                    account = table.Column<long>(type: "bigint", nullable: false),
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    version = table.Column<long>(type: "bigint", nullable: false),
                    amount = table.Column<long>(type: "bigint", nullable: false),
                    kind = table.Column<short>(type: "smallint", nullable: false),
                    request_hash = table.Column<byte[]>(type: "bytea", nullable: false),
                    balance_after = table.Column<long>(type: "bigint", nullable: false),
                    held_after = table.Column<long>(type: "bigint", nullable: false),
                    reason = table.Column<string>(type: "text", nullable: true),
                    key_id = table.Column<long>(type: "bigint", nullable: true),
                    day = table.Column<DateOnly>(type: "date", nullable: true),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "now()")
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_transfers", x => new { x.account, x.id });
                    table.CheckConstraint("ck_transfers_account", "account > 0 AND version > 0");
                    table.CheckConstraint("ck_transfers_after", "0 <= held_after AND held_after <= balance_after");
                    table.CheckConstraint("ck_transfers_kind", "CASE WHEN kind IN (1, 4) THEN amount > 0 WHEN kind IN (2, 3, 5) THEN amount < 0 ELSE false END");
                    table.CheckConstraint("ck_transfers_spent", "CASE WHEN kind IN (2, 3) THEN day IS NOT NULL ELSE day IS NULL AND key_id IS NULL END");
                });

            migrationBuilder.CreateIndex(
                name: "ix_limit_events_next_attempt_at",
                table: "limit_events",
                column: "next_attempt_at",
                filter: "delivered_at IS NULL");

            migrationBuilder.CreateIndex(
                name: "ix_transfers_created_at",
                table: "transfers",
                column: "created_at")
                .Annotation("Npgsql:IndexMethod", "brin");

            migrationBuilder.CreateIndex(
                name: "ux_transfers_account_version",
                table: "transfers",
                columns: new[] { "account", "version" },
                unique: true);

            migrationBuilder.Sql(LedgerDb.Function("Budgets.limits"));
            migrationBuilder.Sql(LedgerDb.Function("Transfers.carry_out"));
            migrationBuilder.Sql("""
                CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    RAISE EXCEPTION 'transfers are append-only: % refused', TG_OP USING ERRCODE = 'restrict_violation';
                END $$;
                CREATE TRIGGER transfers_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers
                    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("DROP FUNCTION carry_out; DROP FUNCTION note_limits; DROP FUNCTION month_of;");

            migrationBuilder.DropTable(
                name: "accounts");

            migrationBuilder.DropTable(
                name: "holds");

            migrationBuilder.DropTable(
                name: "key_spending");

            migrationBuilder.DropTable(
                name: "limit_events");

            migrationBuilder.DropTable(
                name: "transfers");

            migrationBuilder.Sql("DROP FUNCTION refuse_change;");
        }
    }
}
