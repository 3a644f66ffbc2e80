namespace Aspire.Hosting.Orchestration;

/// <summary>
/// A file that one holder at a time can have. The system lets it go when the holder's process dies, however that ends.
/// </summary>
internal static class LockFile
{
    private const int TryAgainOnLinux = 11;
    private const int TryAgainOnMacOS = 35;
    private const int SharingViolationOnWindows = unchecked((int)0x80070020);

    /// <summary>Takes it. It stays on the disk when it is let go: whoever removed it would part two holders.</summary>
    /// <param name="path">The file. Its folder exists.</param>
    /// <returns>The hold, or null when somebody else has it.</returns>
    public static FileStream? TryTake(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1);
        }
        catch (IOException exception) when (
            exception.HResult is TryAgainOnLinux or TryAgainOnMacOS or SharingViolationOnWindows)
        {
            return null;
        }
    }
}
