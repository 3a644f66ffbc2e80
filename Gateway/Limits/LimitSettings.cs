using System.ComponentModel.DataAnnotations;

namespace Gateway.Limits;

/// <summary>The section <c>Limits</c> of the configuration: how many requests one caller may send in a time.</summary>
internal sealed class LimitSettings : IValidatableObject
{
    /// <summary>Whether requests are counted at all.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>Chats of a user's.</summary>
    public Limit Chat { get; init; } = new() { Permits = 1200 };

    /// <summary>Chats with one API key, which count for its user too.</summary>
    public Limit ChatByKey { get; init; } = new() { Permits = 1000 };

    /// <summary>All other calls of a user's.</summary>
    public Limit Call { get; init; } = new() { Permits = 6000 };

    /// <summary>All other calls with one API key, which count for its user too.</summary>
    public Limit CallByKey { get; init; } = new() { Permits = 5000 };

    /// <summary>Logins from an address.</summary>
    public Limit Login { get; init; } = new() { Permits = 600 };

    /// <summary>Registrations from an address.</summary>
    public Limit Register { get; init; } = new() { Permits = 600 };

    /// <summary>Refreshes and logouts from an address.</summary>
    public Limit Session { get; init; } = new() { Permits = 1200 };

    /// <summary>API keys from an address that turn out not to be any.</summary>
    public Limit WrongKey { get; init; } = new() { Permits = 300 };

    /// <summary>Requests from an address that need a token and have none that is good.</summary>
    public Limit Unauthorized { get; init; } = new() { Permits = 600 };

    /// <summary>How long Redis may take to count. Then this replica counts by itself for a while.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:00:10")]
    public TimeSpan Patience { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The limits, by the names that routes and answers use.</summary>
    public IReadOnlyDictionary<string, Limit> ByName() => new Dictionary<string, Limit>
    {
        ["chat"] = Chat,
        ["chat-by-key"] = ChatByKey,
        ["call"] = Call,
        ["call-by-key"] = CallByKey,
        ["login"] = Login,
        ["register"] = Register,
        ["session"] = Session,
        ["wrong-key"] = WrongKey,
        ["unauthorized"] = Unauthorized,
    };

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext) =>
        from limit in ByName()
        where limit.Value.Permits is < 1 or > 1_000_000_000
            || limit.Value.Window < TimeSpan.FromSeconds(1) || limit.Value.Window > TimeSpan.FromDays(1)
        select new ValidationResult(
            $"The limit '{limit.Key}' must have 1 to 1,000,000,000 Permits in a Window of a second to a day.");
}

/// <summary>So many requests in a time.</summary>
internal sealed record Limit
{
    /// <summary>How many.</summary>
    public int Permits { get; init; }

    /// <summary>In which time. It begins at the same moments for all, so that replicas count alike.</summary>
    public TimeSpan Window { get; init; } = TimeSpan.FromMinutes(1);
}
