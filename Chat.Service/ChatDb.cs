using Chat.Service.Chats;
using Chat.Service.Conversations;
using Chat.Service.Usage;
using Microsoft.EntityFrameworkCore;

namespace Chat.Service;

/// <summary>The schema of <c>chatdb</c>.</summary>
internal sealed class ChatDb(DbContextOptions<ChatDb> options) : DbContext(options)
{
    public DbSet<StoredChat> Chats => Set<StoredChat>();

    public DbSet<ErasedUser> ErasedUsers => Set<ErasedUser>();

    public DbSet<Conversation> Conversations => Set<Conversation>();

    /// <summary>The bytes of a text in UTF-8. PostgreSQL knows them without reading the text.</summary>
    /// <param name="text">A column.</param>
    [DbFunction("octet_length", IsBuiltIn = true)]
    public static int OctetLength(string text) => throw new NotSupportedException($"Only in a query: {text}");

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<StoredChat>(chat =>
        {
            chat.HasKey(c => new { c.UserId, c.Id });
            chat.Property(c => c.Id).UseIdentityAlwaysColumn();
            chat.Property(c => c.CreatedAt).HasDefaultValueSql("now()");
            chat.Property(c => c.IsModelNamed).HasDefaultValue(false);
            // One row per hold, a chat or a tombstone: whichever is written first decides.
            chat.HasIndex(c => new { c.UserId, c.HoldId }).IsUnique();
            // A conversation's chats, newest first.
            chat.HasIndex(c => new { c.UserId, c.ConversationId, c.Id }).IsDescending(false, false, true)
                .HasFilter("conversation_id IS NOT NULL");
            chat.ToTable("chats", table =>
            {
                table.HasCheckConstraint(
                    "ck_chats_response", "(status = 1) = (response IS NOT NULL AND tokens IS NOT NULL)");
                // Nobody takes an imported chat for a paid one, nor looks for its hold.
                table.HasCheckConstraint(
                    "ck_chats_imported",
                    "status <> 4 OR (response IS NOT NULL AND tokens IS NULL AND cost = 0)");
            });
        });
        modelBuilder.Entity<ErasedUser>(user =>
        {
            user.ToTable("erased_users");
            user.HasKey(u => u.UserId);
            user.Property(u => u.UserId).ValueGeneratedNever();
            user.Property(u => u.ErasedAt).HasDefaultValueSql("now()");
        });
        modelBuilder.Entity<UsedTokens>(usage =>
        {
            // Its rows are counted up with each chat: room for that in the same page, and no index over what changes.
            usage.ToTable("usage").HasStorageParameter("fillfactor", 50);
            usage.HasKey(u => new { u.UserId, u.Day, u.Model, u.KeyId });
            usage.HasIndex(u => new { u.Day, u.UserId }); // For administrators, over all users.
        });
        modelBuilder.Entity<Conversation>(conversation =>
        {
            conversation.ToTable("conversations");
            conversation.HasKey(c => new { c.UserId, c.Id });
            conversation.HasIndex(c => new { c.UserId, c.UpdatedAt, c.Id }).IsDescending(false, true, true);
        });
    }
}
