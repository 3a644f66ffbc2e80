using System.Buffers.Text;
using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography;

namespace Identity.Service;

/// <summary>The section <c>Registration</c>: who may register, and what that may cost.</summary>
public sealed class RegistrationOptions
{
    /// <summary>Who may register.</summary>
    public RegistrationMode Mode { get; set; } = RegistrationMode.Open;

    /// <summary>How many users one address may register in a day of UTC.</summary>
    [Range(1, 1_000_000_000, ErrorMessage = "'Registration:PerAddressAndDay' is 1 to 1,000,000,000.")]
    public int PerAddressAndDay { get; set; } = 50;

    /// <summary>
    /// How many credits accounts of one address and day open with, all together. Users beyond that begin with none.
    /// </summary>
    [Range(0, 1_000_000_000_000, ErrorMessage = "'Registration:CreditsPerAddressAndDay' is 0 to 1,000,000,000,000.")]
    public long CreditsPerAddressAndDay { get; set; } = 40_000;
}

/// <summary>Who may register.</summary>
public enum RegistrationMode
{
    /// <summary>Everybody.</summary>
    Open,

    /// <summary>Those whom an administrator has invited.</summary>
    Invite,

    /// <summary>Nobody.</summary>
    Closed,
}

/// <summary>What an address has registered in a day, a row of <c>registrations</c>.</summary>
public sealed class RegistrationCount
{
    /// <summary>A hash of the address or network: see <see cref="LoginAttempt.Source"/>.</summary>
    public Guid Source { get; init; }

    /// <summary>The day of UTC.</summary>
    public DateOnly Day { get; init; }

    /// <summary>How many users.</summary>
    public int Users { get; init; }

    /// <summary>The credits that these begin with.</summary>
    public long Credits { get; init; }
}

/// <summary>Lets one user register who is not let in otherwise. Known by its hash alone.</summary>
public sealed class Invitation
{
    /// <summary>The longest note, in characters.</summary>
    internal const int MaxNoteLength = 200;

    /// <summary>The invitation's number.</summary>
    public long Id { get; init; }

    /// <summary>SHA-256 of its code.</summary>
    public required byte[] Hash { get; init; }

    /// <summary>For whom it is, in the administrator's words.</summary>
    public string? Note { get; init; }

    /// <summary>The administrator who made it.</summary>
    public long CreatedBy { get; init; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>Until when it is good.</summary>
    public DateTimeOffset ExpiresAt { get; init; }

    /// <summary>The user who has used it; null as long as nobody has.</summary>
    public long? UsedBy { get; init; }

    /// <summary>Makes a code of 128 random bits.</summary>
    internal static string NewCode() => "inv_" + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16));
}
