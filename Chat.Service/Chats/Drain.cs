namespace Chat.Service.Chats;

/// <summary>
/// Lets a replica that is told to stop end its chats first. It listens meanwhile and refuses new ones, so that the
/// gateway gives them to another replica.
/// </summary>
/// <param name="running">The chats.</param>
internal sealed class Drain(RunningChats running) : IHostedLifecycleService
{
    /// <inheritdoc/>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        try
        {
            await running.DrainAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // What is left is cut off, and its holds are settled by the others.
        }
    }

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
