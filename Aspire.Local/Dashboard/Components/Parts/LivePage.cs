using Microsoft.AspNetCore.Components;

namespace Aspire.Dashboard.Components.Parts;

/// <summary>
/// A page that shows what changes: twice a second it looks whether there is something new, and only then reads and
/// draws it again. However much comes in, a browser costs no more than that.
/// </summary>
public abstract class LivePage : ComponentBase, IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private readonly PeriodicTimer _timer = new(Interval);
    private Task _watching = Task.CompletedTask;
    private long _version = -1;

    /// <summary>Changes whenever there may be something new.</summary>
    protected abstract long Version { get; }

    /// <summary>Whether the page stands still.</summary>
    protected bool IsPaused { get; set; }

    /// <summary>Reads what is shown.</summary>
    protected abstract void Load();

    /// <summary>Lets the page stand still, or go on.</summary>
    protected void TogglePause()
    {
        IsPaused = !IsPaused;
        Load();
    }

    /// <summary>What was typed or chosen; empty for nothing.</summary>
    /// <param name="e">A field's change.</param>
    protected static string Said(ChangeEventArgs e)
    {
        ArgumentNullException.ThrowIfNull(e);
        return e.Value as string ?? "";
    }

    /// <inheritdoc/>
    protected override void OnParametersSet()
    {
        _version = Version;
        Load();
    }

    /// <inheritdoc/>
    protected override void OnAfterRender(bool firstRender)
    {
        if (firstRender)
        {
            _watching = WatchAsync();
        }
    }

    /// <summary>Ends the watch.</summary>
    /// <returns>The end.</returns>
    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        _timer.Dispose();
        await _watching;
    }

    private async Task WatchAsync()
    {
        while (await _timer.WaitForNextTickAsync())
        {
            var version = Version;
            if (version != _version && !IsPaused)
            {
                _version = version;
                await InvokeAsync(async () =>
                {
                    try
                    {
                        Load();
                        StateHasChanged();
                    }
                    catch (Exception exception)
                    {
                        // The page says so, and can be tried again.
                        await DispatchExceptionAsync(exception);
                    }
                });
            }
        }
    }
}
