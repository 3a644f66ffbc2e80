using Microsoft.Extensions.Options;

namespace Chat.Service.Chats;

/// <summary>
/// Lets a replica that is told to stop end its chats first. It still takes chats on until the gateways have heard of it
/// from <c>/alive</c>; then it listens, and refuses those that come all the same.
/// </summary>
/// <param name="running">The chats.</param>
/// <param name="options">How long each of it may take.</param>
internal sealed class Drain(RunningChats running, IOptions<ChatSettings> options) : IHostedLifecycleService
{
    /// <inheritdoc/>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        try
        {
            await Task.Delay(options.Value.LeaveFor, cancellationToken);
            running.Refuse();
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
