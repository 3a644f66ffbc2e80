using Aspire.Hosting.ApplicationModel;

namespace Aspire.Local.Tests;

/// <summary>Readers of output get all of it, and one that does not keep up costs no memory without end.</summary>
public sealed class ResourceLoggerTests
{
    private const int Length = 10_000;
    private const int Lines = 1_000; // More than twice of what waits for a reader.

    private readonly ResourceLoggerService _output = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Reader_ThatKeepsUp_GetsAllLines()
    {
        await using var reader = await StartReadingAsync();
        for (var n = 1; n <= Lines; n++)
        {
            Add(n);
            Assert.Equal(n + 1, await NextAsync(reader));
        }
    }

    [Fact]
    public async Task Reader_ThatDoesNot_GetsTheLatestLines()
    {
        await using var reader = await StartReadingAsync();
        for (var n = 1; n <= Lines; n++)
        {
            Add(n);
        }

        var first = await NextAsync(reader);
        Assert.InRange(Lines + 2 - first, 4_000_000 / (Length + 100), 4_000_000 / Length);
        for (var n = first + 1; n <= Lines + 1; n++)
        {
            Assert.Equal(n, await NextAsync(reader));
        }
    }

    [Fact]
    public async Task Line_OfAnyLength_IsKeptInPart()
    {
        _output.Add("r", "r-1", new string('x', ResourceLoggerService.MaxLineLength + 1), isError: false);
        await using var reader = _output.WatchAsync("r").GetAsyncEnumerator(Cancellation);
        await reader.MoveNextAsync().AsTask().WaitAsync(TestApp.Timeout, Cancellation);
        Assert.Equal(ResourceLoggerService.MaxLineLength, reader.Current.Single().Content.Length);
    }

    /// <summary>A reader that has read the first line and so hears of all that come now.</summary>
    private async Task<IAsyncEnumerator<IReadOnlyList<LogLine>>> StartReadingAsync()
    {
        Add(0);
        var reader = _output.WatchAsync("r").GetAsyncEnumerator(Cancellation);
        Assert.Equal(1, await NextAsync(reader));
        return reader;
    }

    private void Add(int n) => _output.Add("r", "r-1", $"{n}".PadRight(Length), isError: false);

    /// <summary>The next line's number.</summary>
    private static async Task<int> NextAsync(IAsyncEnumerator<IReadOnlyList<LogLine>> reader)
    {
        Assert.True(await reader.MoveNextAsync().AsTask().WaitAsync(TestApp.Timeout, Cancellation));
        return Assert.Single(reader.Current).LineNumber;
    }
}
