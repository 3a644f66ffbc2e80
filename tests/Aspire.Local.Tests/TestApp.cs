using System.Diagnostics;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Aspire.Local.Tests;

/// <summary>Starts applications, and waits for what they do; every wait is bounded.</summary>
internal static class TestApp
{
    /// <summary>The limit of every wait; generous, because CI machines are slow.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    /// <summary>A start may fetch a server first.</summary>
    private static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(4);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Starts what a test describes.</summary>
    public static Task<DistributedApplication> StartAsync(Action<IDistributedApplicationBuilder> describe) =>
        StartAsync([], describe);

    /// <summary>Starts what a test describes, with a command line.</summary>
    public static async Task<DistributedApplication> StartAsync(
        string[] args, Action<IDistributedApplicationBuilder> describe)
    {
        var builder = DistributedApplicationTestingBuilder.Create(args);
        try
        {
            describe(builder);
            var app = await builder.BuildAsync(Cancellation);
            await app.StartAsync(Cancellation).WaitAsync(StartTimeout, Cancellation);
            return app;
        }
        catch
        {
            await builder.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts what cannot start.</summary>
    /// <returns>What it says: one sentence, in one line.</returns>
    public static async Task<string> RefusedAsync(string[] args, Action<IDistributedApplicationBuilder> describe)
    {
        var refused = await Assert.ThrowsAsync<DistributedApplicationException>(() => StartAsync(args, describe));
        Assert.DoesNotContain('\n', refused.Message);
        return refused.Message;
    }

    /// <summary>Waits until a resource is healthy.</summary>
    public static Task<ResourceEvent> HealthyAsync(this DistributedApplication app, string resource) =>
        app.ResourceNotifications.WaitForResourceHealthyAsync(resource, Cancellation).WaitAsync(Timeout, Cancellation);

    /// <summary>Waits until a database is there.</summary>
    /// <returns>Its connection string.</returns>
    public static async Task<string> DatabaseAsync(this DistributedApplication app, string resource)
    {
        await app.HealthyAsync(resource);
        return (await app.GetConnectionStringAsync(resource, Cancellation))!;
    }

    /// <summary>Waits until a resource has a state.</summary>
    public static Task<ResourceEvent> StateAsync(this DistributedApplication app, string resource, string state) =>
        app.EventAsync(resource, e => e.Snapshot.State?.Text == state);

    /// <summary>Waits for an event of a resource.</summary>
    public static Task<ResourceEvent> EventAsync(
        this DistributedApplication app, string resource, Func<ResourceEvent, bool> which) =>
        app.ResourceNotifications.WaitForResourceAsync(resource, which, Cancellation).WaitAsync(Timeout, Cancellation);

    /// <summary>Waits for a line of a resource's output.</summary>
    public static async Task<string> SaysAsync(this DistributedApplication app, string resource, string text = "")
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        patience.CancelAfter(Timeout);
        var output = app.Services.GetRequiredService<ResourceLoggerService>();
        await foreach (var lines in output.WatchAsync(resource).WithCancellation(patience.Token))
        {
            if (lines.FirstOrDefault(line => line.Content.Contains(text, StringComparison.Ordinal)).Content is { } said)
            {
                return said;
            }
        }

        throw new InvalidOperationException("Output does not end before its reader does.");
    }

    /// <summary>Gives a resource a command, which must be carried out.</summary>
    public static async Task CommandAsync(this DistributedApplication app, string resource, string command)
    {
        var result = await app.ResourceCommands.ExecuteCommandAsync(resource, command, Cancellation)
            .WaitAsync(Timeout, Cancellation);
        Assert.True(result.Success, result.Message);
    }

    /// <summary>Kills a resource's process, and waits until that is noticed.</summary>
    public static async Task KillAsync(this DistributedApplication app, string resource)
    {
        using var process = Process.GetProcessById(await app.PidAsync(resource));
        var noticed = app.StateAsync(resource, KnownResourceStates.Exited);
        process.Kill();
        await noticed;
    }

    /// <summary>The id of a resource's process, once it has one.</summary>
    public static async Task<int> PidAsync(this DistributedApplication app, string resource) =>
        Pid(await app.EventAsync(resource, e => e.Snapshot.Properties.Length > 0));

    /// <summary>The process id that an event tells.</summary>
    public static int Pid(ResourceEvent e) =>
        (int)e.Snapshot.Properties.Single(property => property.Name == "executable.pid").Value!;

    /// <summary>Stops the application.</summary>
    /// <param name="app">The application.</param>
    /// <param name="count">How many resources end.</param>
    /// <returns>The resources in the order in which they ended.</returns>
    public static async Task<IReadOnlyList<string>> StopAsync(this DistributedApplication app, int count)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        patience.CancelAfter(Timeout);
        var watch = EndsAsync(); // It watches from here on.
        await app.StopAsync(Cancellation).WaitAsync(Timeout, Cancellation);
        return await watch;

        async Task<IReadOnlyList<string>> EndsAsync()
        {
            var ended = new List<string>();
            await foreach (var e in app.ResourceNotifications.WatchAsync(patience.Token))
            {
                if (e.Snapshot.State?.Text == KnownResourceStates.Finished)
                {
                    ended.Add(e.ResourceId);
                }

                if (ended.Count == count)
                {
                    break;
                }
            }

            return ended;
        }
    }

    /// <summary>Takes in the AppHost's own log.</summary>
    public static AppHostLog AddLog(this IDistributedApplicationBuilder builder)
    {
        var log = new AppHostLog();
        builder.Services.AddLogging(logging => logging.AddProvider(log));
        return log;
    }
}

/// <summary>The AppHost's own log, for a test that waits for a line of it.</summary>
internal sealed class AppHostLog : ILoggerProvider, ILogger
{
    private readonly List<string> _lines = [];
    private TaskCompletionSource _more = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The lines so far.</summary>
    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lines)
            {
                return [.. _lines];
            }
        }
    }

    /// <summary>Waits for a line.</summary>
    public async Task<string> SaysAsync(string text)
    {
        while (true)
        {
            Task more;
            lock (_lines)
            {
                if (_lines.Find(line => line.Contains(text, StringComparison.Ordinal)) is { } said)
                {
                    return said;
                }

                more = _more.Task;
            }

            await more.WaitAsync(TestApp.Timeout, TestContext.Current.CancellationToken);
        }
    }

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        lock (_lines)
        {
            _lines.Add(formatter(state, exception));
            _more.SetResult();
            _more = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    public void Dispose()
    {
        // It holds nothing but memory.
    }
}
