using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Ledger.Service.Migrations
{
    /// <inheritdoc />
    public partial class ApiKeys : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<DateOnly>(
                name: "key_day",
                table: "transfers",
                type: "date",
                nullable: true);

            migrationBuilder.AddColumn<long>(
                name: "key_id",
                table: "transfers",
                type: "bigint",
                nullable: true);

            migrationBuilder.CreateTable(
                name: "key_spending",
                columns: table => new
                {
                    account = table.Column<long>(type: "bigint", nullable: false),
                    key_id = table.Column<long>(type: "bigint", nullable: false),
                    total = table.Column<long>(type: "bigint", nullable: false),
                    day = table.Column<DateOnly>(type: "date", nullable: false),
                    today = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_key_spending", x => new { x.account, x.key_id });
                    table.CheckConstraint("ck_key_spending_today", "today >= 0 AND total >= today");
                })
                .Annotation("Npgsql:StorageParameter:fillfactor", 70);

            migrationBuilder.AddCheckConstraint(
                name: "ck_transfers_key",
                table: "transfers",
                sql: "CASE WHEN key_id IS NULL THEN key_day IS NULL ELSE key_day IS NOT NULL AND kind IN (2, 3, 4) END");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "key_spending");

            migrationBuilder.DropCheckConstraint(
                name: "ck_transfers_key",
                table: "transfers");

            migrationBuilder.DropColumn(
                name: "key_day",
                table: "transfers");

            migrationBuilder.DropColumn(
                name: "key_id",
                table: "transfers");
        }
    }
}
