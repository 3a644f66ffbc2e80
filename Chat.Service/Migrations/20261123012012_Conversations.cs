using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Chat.Service.Migrations
{
    /// <inheritdoc />
    public partial class Conversations : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<Guid>(
                name: "conversation_id",
                table: "chats",
                type: "uuid",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "fingerprint",
                table: "chats",
                type: "character varying(64)",
                maxLength: 64,
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "model",
                table: "chats",
                type: "text",
                nullable: true);

            migrationBuilder.CreateTable(
                name: "conversations",
                columns: table => new
                {
                    user_id = table.Column<long>(type: "bigint", nullable: false),
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    title = table.Column<string>(type: "text", nullable: false),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    updated_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_conversations", x => new { x.user_id, x.id });
                });

            migrationBuilder.CreateTable(
                name: "replica_notes",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    seen_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    is_buried = table.Column<bool>(type: "boolean", nullable: false),
                    charges = table.Column<Guid[]>(type: "uuid[]", nullable: false),
                    users = table.Column<long[]>(type: "bigint[]", nullable: false),
                    costs = table.Column<long[]>(type: "bigint[]", nullable: false),
                    ours = table.Column<bool[]>(type: "boolean[]", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_replica_notes", x => x.id);
                });

            migrationBuilder.CreateIndex(
                name: "ix_chats_user_id_conversation_id_id",
                table: "chats",
                columns: new[] { "user_id", "conversation_id", "id" },
                descending: new[] { false, false, true },
                filter: "conversation_id IS NOT NULL");

            migrationBuilder.CreateIndex(
                name: "ix_conversations_user_id_updated_at_id",
                table: "conversations",
                columns: new[] { "user_id", "updated_at", "id" },
                descending: new[] { false, true, true });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "conversations");

            migrationBuilder.DropTable(
                name: "replica_notes");

            migrationBuilder.DropIndex(
                name: "ix_chats_user_id_conversation_id_id",
                table: "chats");

            migrationBuilder.DropColumn(
                name: "conversation_id",
                table: "chats");

            migrationBuilder.DropColumn(
                name: "fingerprint",
                table: "chats");

            migrationBuilder.DropColumn(
                name: "model",
                table: "chats");
        }
    }
}
