using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Chat.Service.Migrations
{
    /// <inheritdoc />
    public partial class WordlessTombstones : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            // What was said for nothing is nobody's business any more; the fingerprint stays.
            migrationBuilder.Sql("UPDATE chats SET message = '' WHERE status = 2 AND message <> ''");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            // What is gone is gone.
        }
    }
}
