namespace Aspire.Dashboard.Telemetry;

/// <summary>
/// How much is kept, and how much one sender may say at once. What is over goes: the oldest first, or what came last
/// where there is no oldest. The dashboard's memory follows from these numbers, whatever is sent.
/// </summary>
internal static class Limits
{
    /// <summary>The longest request, in bytes, after decompression.</summary>
    public const int RequestBytes = 4 * 1024 * 1024;

    /// <summary>How many messages, texts and lists a request may have in it: the smallest takes memory too.</summary>
    public const int RequestParts = 100_000;

    /// <summary>How many requests are read at once; others wait.</summary>
    public const int RequestsAtOnce = 4;

    /// <summary>How many requests may wait; others are told to come again.</summary>
    public const int RequestsWaiting = 64;

    /// <summary>How many processes may send. Those that come later are refused.</summary>
    public const int Sources = 200;

    /// <summary>How many spans are kept.</summary>
    public const int Spans = 20_000;

    /// <summary>How many bytes of spans are kept.</summary>
    public const int SpansBytes = 20 * 1024 * 1024;

    /// <summary>How many log records are kept.</summary>
    public const int Logs = 10_000;

    /// <summary>How many bytes of log records are kept.</summary>
    public const int LogsBytes = 10 * 1024 * 1024;

    /// <summary>The longest span or log record, in bytes. Longer ones are refused.</summary>
    public const int RecordBytes = 128 * 1024;

    /// <summary>How many attributes of a thing are read.</summary>
    public const int Attributes = 128;

    /// <summary>How much of a name or a series' attribute is read, in characters.</summary>
    public const int NameLength = 256;

    /// <summary>How much of a text is read, in characters.</summary>
    public const int TextLength = 16 * 1024;

    /// <summary>How many series of metrics are kept, of all instruments together.</summary>
    public const int Series = 12_000;

    /// <summary>How many bytes all series may take without their points: names and attributes.</summary>
    public const int SeriesBytes = 16 * 1024 * 1024;

    /// <summary>How many series of one instrument are kept.</summary>
    public const int SeriesOfInstrument = 200;

    /// <summary>How many points of a series are kept: ten minutes of one a second.</summary>
    public const int Points = 600;

    /// <summary>
    /// How many numbers all points may hold together. When it is over, each series' older half goes. The last points
    /// of all series may hold half of it.
    /// </summary>
    public const int PointNumbers = 3_000_000;

    /// <summary>How many buckets of a histogram are kept; those with more are refused.</summary>
    public const int Buckets = 200;

    /// <summary>How many lines of a process's output are kept.</summary>
    public const int ConsoleLines = 2_000;

    /// <summary>How many bytes of all processes' output are kept.</summary>
    public const int ConsoleBytes = 16 * 1024 * 1024;

    /// <summary>How long a series' attributes may be, in characters. Those with longer ones are refused.</summary>
    public const int SeriesLength = 2 * 1024;
}
