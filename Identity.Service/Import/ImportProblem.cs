namespace Identity.Service;

/// <summary>Why an import cannot begin or go on, in a sentence for the operator, who can mend it.</summary>
/// <param name="sentence">What is wrong, and what to do.</param>
/// <param name="exitCode">What the command ends with.</param>
internal sealed class ImportProblem(string sentence, int exitCode = ImportProblem.Failed) : Exception(sentence)
{
    /// <summary>The exit code when not everything was imported.</summary>
    public const int Failed = 1;

    /// <summary>The exit code of a command that nobody can understand.</summary>
    public const int Misused = 2;

    /// <summary>Gets what the command ends with.</summary>
    public int ExitCode => exitCode;
}

/// <summary>Why one user cannot be imported; the others can.</summary>
/// <param name="sentence">The reason, for the report.</param>
internal sealed class UserRefused(string sentence) : Exception(sentence);
