using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Orchestration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Aspire.Hosting;

/// <summary>An application of several resources, which it starts, watches and stops.</summary>
public class DistributedApplication : IHost, IAsyncDisposable
{
    private readonly IHost _host;

    internal DistributedApplication(IHost host) => _host = host;

    /// <summary>When everything is stopped and freed.</summary>
    internal event Action? Disposed;

    /// <summary>The AppHost's own services.</summary>
    public IServiceProvider Services => _host.Services;

    /// <summary>The states of the resources.</summary>
    public ResourceNotificationService ResourceNotifications =>
        Services.GetRequiredService<ResourceNotificationService>();

    /// <summary>Starts, stops and restarts resources.</summary>
    public ResourceCommandService ResourceCommands => Services.GetRequiredService<ResourceCommandService>();

    /// <summary>Makes a builder without arguments.</summary>
    /// <returns>The builder.</returns>
    public static IDistributedApplicationBuilder CreateBuilder() => CreateBuilder([]);

    /// <summary>Makes a builder.</summary>
    /// <param name="args">The command line, which goes into the configuration: <c>--Name=value</c>.</param>
    /// <returns>The builder.</returns>
    public static IDistributedApplicationBuilder CreateBuilder(string[] args) =>
        CreateBuilder(new DistributedApplicationOptions { Args = args });

    /// <summary>Makes a builder.</summary>
    /// <param name="options">How.</param>
    /// <returns>The builder.</returns>
    public static IDistributedApplicationBuilder CreateBuilder(DistributedApplicationOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var interceptor = AppHostInterceptor.Current;
        var builder = new DistributedApplicationBuilder(options, interceptor);
        interceptor?.OnCreated(builder);
        return builder;
    }

    /// <summary>Starts all resources; returns when they have begun to start, not when they are healthy.</summary>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <returns>The start.</returns>
    public virtual Task StartAsync(CancellationToken cancellationToken = default) =>
        _host.StartAsync(cancellationToken);

    /// <summary>Stops all resources, those that use others first.</summary>
    /// <param name="cancellationToken">Ends the patience.</param>
    /// <returns>The stop.</returns>
    public virtual Task StopAsync(CancellationToken cancellationToken = default) => _host.StopAsync(cancellationToken);

    /// <summary>Starts, waits for Ctrl+C or SIGTERM, stops.</summary>
    public void Run() => RunAsync().GetAwaiter().GetResult();

    /// <summary>
    /// Starts, waits for Ctrl+C, SIGTERM or <paramref name="cancellationToken"/>, stops. What cannot be started is said
    /// in one sentence and makes the exit code 1.
    /// </summary>
    /// <param name="cancellationToken">Ends the run.</param>
    /// <returns>The run.</returns>
    public virtual async Task RunAsync(CancellationToken cancellationToken = default)
    {
        if (AppHostInterceptor.Current is { } interceptor)
        {
            // A test starts and stops this application; the AppHost's own Main only waits for its end.
            await interceptor.Ended;
            return;
        }

        var stopping = Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        try
        {
            await _host.RunAsync(cancellationToken);
        }
        catch (OperationCanceledException)
            when (stopping.IsCancellationRequested || cancellationToken.IsCancellationRequested)
        {
            // Ctrl+C before everything had begun to start.
        }
        catch (DistributedApplicationException exception)
        {
            await Console.Error.WriteLineAsync(exception.Message);
            Environment.ExitCode = 1;
        }
    }

    /// <summary>Stops what still runs and frees everything.</summary>
    public virtual void Dispose()
    {
        GC.SuppressFinalize(this);
        DisposeAsync().AsTask().GetAwaiter().GetResult();
    }

    /// <summary>Stops what still runs and frees everything.</summary>
    /// <returns>The disposal.</returns>
    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await ((IAsyncDisposable)_host).DisposeAsync();
        Disposed?.Invoke();
    }
}
