using System.Globalization;

namespace Identity.Service;

/// <summary>Shows how far an import is: a bar on a terminal, elsewhere a line now and then.</summary>
/// <param name="report">Knows how far.</param>
/// <param name="users">How many users there are.</param>
/// <param name="output">Where to show it.</param>
/// <param name="isTerminal">Whether that is a terminal.</param>
internal sealed class ImportProgress(ImportReport report, long users, TextWriter output, bool isTerminal)
{
    private const int BarWidth = 30;

    private static readonly TimeSpan BarPeriod = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LinePeriod = TimeSpan.FromSeconds(5);

    /// <summary>Shows it while something is done.</summary>
    /// <param name="work">What is done.</param>
    public async Task WhileAsync(Task work)
    {
        using var timer = new PeriodicTimer(isTerminal ? BarPeriod : LinePeriod);
        var tick = timer.WaitForNextTickAsync().AsTask();
        while (await Task.WhenAny(work, tick) == tick)
        {
            await output.WriteAsync(isTerminal ? $"\r{Bar()}" : $"{Line()}{Environment.NewLine}");
            tick = timer.WaitForNextTickAsync().AsTask();
        }

        if (isTerminal)
        {
            await output.WriteLineAsync($"\r{Bar()}");
        }

        await work;
    }

    /// <summary>The bar, as it is now.</summary>
    internal string Bar()
    {
        var filled = users == 0 ? BarWidth : (int)Math.Min(BarWidth, report.Done * BarWidth / users);
        return $"[{new string('#', filled)}{new string('.', BarWidth - filled)}] {Line()}";
    }

    private string Line() => string.Create(
        CultureInfo.InvariantCulture, $"{report.Done:N0} of {users:N0} users, {report.Chats:N0} chats");
}
