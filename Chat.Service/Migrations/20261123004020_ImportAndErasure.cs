using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Chat.Service.Migrations
{
    /// <inheritdoc />
    public partial class ImportAndErasure : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "erased_users",
                columns: table => new
                {
                    user_id = table.Column<long>(type: "bigint", nullable: false),
                    erased_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "now()"),
                    is_swept = table.Column<bool>(type: "boolean", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_erased_users", x => x.user_id);
                });

            migrationBuilder.AddCheckConstraint(
                name: "ck_chats_imported",
                table: "chats",
                sql: "status <> 4 OR (response IS NOT NULL AND tokens IS NULL AND cost = 0)");

            migrationBuilder.CreateIndex(
                name: "ix_erased_users_unswept",
                table: "erased_users",
                column: "user_id",
                filter: "NOT is_swept");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "erased_users");

            migrationBuilder.DropCheckConstraint(
                name: "ck_chats_imported",
                table: "chats");
        }
    }
}
