using System.Reflection;
using Microsoft.Extensions.Hosting;

namespace Aspire.Hosting.Testing;

/// <summary>
/// Calls an AppHost's Main on a thread of its own, holds it when it wants to build, and leaves building, starting and
/// stopping to the test.
/// </summary>
internal sealed class AppHostTakeover(
    Assembly appHost,
    string[] args,
    Action<DistributedApplicationOptions, HostApplicationBuilderSettings> configureBuilder)
    : TestRun(args)
{
    private readonly TaskCompletionSource<IDistributedApplicationBuilder> _described =
        NewSource<IDistributedApplicationBuilder>();
    private readonly TaskCompletionSource<DistributedApplication> _built = NewSource<DistributedApplication>();
    private readonly TaskCompletionSource _mayBuild = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private DistributedApplicationOptions? _options;

    public override Task Ended => _ended.Task;

    /// <summary>Calls Main, up to where it builds.</summary>
    public Task<IDistributedApplicationBuilder> DescribeAsync(CancellationToken cancellationToken)
    {
        new Thread(CallMain) { IsBackground = true, Name = $"{appHost.GetName().Name} Main" }.Start();
        return _described.Task.WaitAsync(cancellationToken);
    }

    public override Task<DistributedApplication> BuildAsync(CancellationToken cancellationToken)
    {
        _mayBuild.TrySetResult();
        return _built.Task.WaitAsync(cancellationToken);
    }

    public override void End()
    {
        _mayBuild.TrySetCanceled();
        _ended.TrySetResult();
        base.End();
    }

    public override void ConfigureOptions(DistributedApplicationOptions options)
    {
        base.ConfigureOptions(options);
        options.AssemblyName = appHost.GetName().Name;
        _options = options;
    }

    public override void ConfigureHost(HostApplicationBuilderSettings settings)
    {
        base.ConfigureHost(settings);
        configureBuilder(_options!, settings);
    }

    public override void OnBuilding(IDistributedApplicationBuilder builder)
    {
        _described.TrySetResult(builder);
        _mayBuild.Task.GetAwaiter().GetResult();
    }

    public override void OnBuilt(DistributedApplication application)
    {
        base.OnBuilt(application);
        _built.TrySetResult(application);
    }

    private void CallMain()
    {
        Current = this;
        try
        {
            var main = appHost.EntryPoint
                ?? throw new InvalidOperationException($"The assembly {appHost.GetName().Name} has no entry point.");
            var result = main.Invoke(null, main.GetParameters().Length == 0 ? null : [Args]);
            (result as Task)?.GetAwaiter().GetResult();
            Fail(new InvalidOperationException("The AppHost's Main has returned without building an application."));
        }
        catch (TargetInvocationException exception)
        {
            Fail(exception.InnerException!);
        }
        catch (Exception exception)
        {
            Fail(exception);
        }

        void Fail(Exception exception)
        {
            _described.TrySetException(exception);
            _built.TrySetException(exception);
        }
    }

    private static TaskCompletionSource<T> NewSource<T>() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
