using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Identity.Service.Migrations
{
    /// <inheritdoc />
    public partial class Accounts : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "created_at",
                table: "users",
                type: "timestamp with time zone",
                nullable: false,
                defaultValueSql: "now()");

            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "leaving_at",
                table: "users",
                type: "timestamp with time zone",
                nullable: true);

            migrationBuilder.CreateTable(
                name: "imported_users",
                columns: table => new
                {
                    key = table.Column<Guid>(type: "uuid", nullable: false),
                    user_id = table.Column<long>(type: "bigint", nullable: false),
                    finished_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_imported_users", x => x.key);
                });

            migrationBuilder.CreateTable(
                name: "login_failures",
                columns: table => new
                {
                    key = table.Column<Guid>(type: "uuid", nullable: false),
                    failures = table.Column<int>(type: "integer", nullable: false),
                    failed_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    locked_until = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    trusted_until = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_login_failures", x => x.key);
                });

            migrationBuilder.CreateIndex(
                name: "ix_users_leaving_at",
                table: "users",
                column: "leaving_at",
                filter: "leaving_at IS NOT NULL");

            migrationBuilder.CreateIndex(
                name: "ix_imported_users_user_id",
                table: "imported_users",
                column: "user_id",
                unique: true);

            // Of what no column says, so that the model does not know it: the hashes that came from Django, as long as
            // there are any, the dearest last. See ImportedHashes.
            migrationBuilder.Sql("""
                CREATE INDEX ix_users_imported_iterations ON users ((split_part(password_hash, '$', 2)::int))
                WHERE starts_with(password_hash, 'pbkdf2_sha256$')
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("DROP INDEX ix_users_imported_iterations");

            migrationBuilder.DropTable(
                name: "imported_users");

            migrationBuilder.DropTable(
                name: "login_failures");

            migrationBuilder.DropIndex(
                name: "ix_users_leaving_at",
                table: "users");

            migrationBuilder.DropColumn(
                name: "created_at",
                table: "users");

            migrationBuilder.DropColumn(
                name: "leaving_at",
                table: "users");
        }
    }
}
