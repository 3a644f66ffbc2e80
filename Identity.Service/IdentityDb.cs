using Microsoft.AspNetCore.DataProtection.EntityFrameworkCore;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Identity.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using OpenIddict.EntityFrameworkCore.Models;

namespace Identity.Service;

/// <summary>The database "identitydb": users, roles, what OpenIddict keeps of tokens, and all replicas' keys.</summary>
/// <param name="options">The provider and its settings.</param>
public sealed class IdentityDb(DbContextOptions<IdentityDb> options)
    : IdentityDbContext<User, IdentityRole<long>, long>(options), IDataProtectionKeyContext
{
    /// <summary>The keys that sign and encrypt tokens, protected by <see cref="DataProtectionKeys"/>.</summary>
    public DbSet<SigningKey> SigningKeys => Set<SigningKey>();

    /// <summary>ASP.NET Core's data-protection key ring, one for all replicas.</summary>
    public DbSet<DataProtectionKey> DataProtectionKeys => Set<DataProtectionKey>();

    /// <summary>Wrong passwords, counted for all replicas. Written by <see cref="LoginThrottle"/> alone.</summary>
    public DbSet<LoginFailures> LoginFailures => Set<LoginFailures>();

    /// <summary>Logins that go on, and those that ended not long ago.</summary>
    public DbSet<Session> Sessions => Set<Session>();

    /// <summary>What addresses have registered.</summary>
    public DbSet<RegistrationCount> Registrations => Set<RegistrationCount>();

    /// <summary>Invitations, used ones too.</summary>
    public DbSet<Invitation> Invitations => Set<Invitation>();

    /// <summary>Who did what. Written by <see cref="AuditLog"/> alone.</summary>
    public DbSet<AuditEntry> Audit => Set<AuditEntry>();

    /// <summary>Users' API keys, those that were revoked not long ago too.</summary>
    public DbSet<ApiKey> ApiKeys => Set<ApiKey>();

    /// <inheritdoc/>
    /// <remarks>
    /// Without the base's own mapping: of ASP.NET Core Identity only names, passwords and roles are used here, and what
    /// is not mapped makes the start faster.
    /// </remarks>
    protected override void OnModelCreating(ModelBuilder builder)
    {
        builder.Entity<User>(user =>
        {
            user.ToTable("users");
            user.Property(each => each.UserName).HasMaxLength(User.MaxNameLength).IsRequired();
            user.Property(each => each.NormalizedUserName).HasMaxLength(User.MaxNameLength).IsRequired();
            user.Property(each => each.PasswordHash).IsRequired();
            user.Property(each => each.ConcurrencyStamp).IsConcurrencyToken();
            user.Property(each => each.OpeningCredits).HasDefaultValue(0L);
            user.Property(each => each.MustChangePassword).HasDefaultValue(false);
            user.Property(each => each.CreatedAt).HasDefaultValueSql("now()");
            user.HasIndex(each => each.NormalizedUserName).IsUnique().HasDatabaseName(User.UniqueNameIndex);
            user.HasIndex(each => each.LeavingAt).HasFilter("leaving_at IS NOT NULL");
            IgnoreUnused(user);
        });
        builder.Entity<IdentityRole<long>>(role =>
        {
            role.ToTable("roles");
            role.Property(each => each.Name).IsRequired();
            role.Property(each => each.NormalizedName).IsRequired();
            role.Property(each => each.ConcurrencyStamp).IsConcurrencyToken();
            role.HasIndex(each => each.NormalizedName).IsUnique();
        });
        builder.Entity<IdentityUserRole<long>>(membership =>
        {
            membership.ToTable("user_roles");
            membership.HasKey(each => new { each.UserId, each.RoleId });
            membership.HasOne<User>().WithMany().HasForeignKey(each => each.UserId);
            membership.HasOne<IdentityRole<long>>().WithMany().HasForeignKey(each => each.RoleId);
        });
        builder.Entity<LoginFailures>(failures =>
        {
            failures.ToTable("login_failures");
            failures.HasKey(each => each.Key);
        });
        builder.Entity<Session>(session =>
        {
            session.ToTable("sessions");
            session.Property(each => each.Id).ValueGeneratedNever();
            session.HasIndex(each => each.UserId);
            session.HasIndex(each => each.EndedAt).HasFilter("ended_at IS NOT NULL");
        });
        builder.Entity<RegistrationCount>(count =>
        {
            count.ToTable("registrations");
            count.HasKey(each => new { each.Source, each.Day });
        });
        builder.Entity<Invitation>(invitation =>
        {
            invitation.ToTable("invitations");
            invitation.Property(each => each.Note).HasMaxLength(Invitation.MaxNoteLength);
            invitation.HasIndex(each => each.Hash).IsUnique();
        });
        builder.Entity<AuditEntry>(entry =>
        {
            entry.ToTable("audit");
            entry.Property(each => each.At).HasDefaultValueSql("now()");
            entry.HasIndex(each => each.Subject);
        });
        builder.Entity<ApiKey>(key =>
        {
            key.ToTable("api_keys");
            key.Property(each => each.Name).HasMaxLength(ApiKey.MaxNameLength);
            key.Property(each => each.Start).HasMaxLength(ApiKey.StartLength);
            key.Property(each => each.CreatedAt).HasDefaultValueSql("now()");
            key.HasOne<User>().WithMany().HasForeignKey(each => each.UserId).OnDelete(DeleteBehavior.Cascade);
            key.HasIndex(each => each.Hash).IsUnique();
        });
        builder.Ignore<IdentityRoleClaim<long>>();
        builder.Ignore<IdentityUserClaim<long>>();
        builder.Ignore<IdentityUserLogin<long>>();
        builder.Ignore<IdentityUserToken<long>>();
        builder.Ignore<IdentityUserPasskey<long>>();

        // OpenIddict names its tables itself, which the naming convention respects.
        builder.UseOpenIddict<long>();
        builder.Entity<OpenIddictEntityFrameworkCoreApplication<long>>().ToTable("applications");
        builder.Entity<OpenIddictEntityFrameworkCoreAuthorization<long>>().ToTable("authorizations");
        builder.Entity<OpenIddictEntityFrameworkCoreScope<long>>().ToTable("scopes");
        builder.Entity<OpenIddictEntityFrameworkCoreToken<long>>().ToTable("tokens");
    }

    private static void IgnoreUnused(EntityTypeBuilder<User> user)
    {
        user.Ignore(each => each.Email);
        user.Ignore(each => each.NormalizedEmail);
        user.Ignore(each => each.EmailConfirmed);
        user.Ignore(each => each.PhoneNumber);
        user.Ignore(each => each.PhoneNumberConfirmed);
        user.Ignore(each => each.TwoFactorEnabled);
        user.Ignore(each => each.LockoutEnd);
        user.Ignore(each => each.LockoutEnabled);
        user.Ignore(each => each.AccessFailedCount);
    }
}
