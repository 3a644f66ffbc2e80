namespace Identity.Service;

/// <summary>
/// A user who was brought from another system, or is about to be: a row of <c>imported_users</c>. It is there before
/// anything else of the user, so that a run that was cut off goes on with the same number, and it stays when the user
/// leaves, so that nobody is brought twice. It says nothing about the person.
/// </summary>
public sealed class ImportedUser
{
    /// <summary>The user's name in the other system, made of what never changes there: a hash.</summary>
    public Guid Key { get; init; }

    /// <summary>The user's number here, in all services.</summary>
    public long UserId { get; init; }

    /// <summary>When all was here and the user could log in; null until then.</summary>
    public DateTimeOffset? FinishedAt { get; init; }
}
