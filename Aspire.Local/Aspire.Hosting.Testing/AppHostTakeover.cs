using System.Reflection;
using Aspire.Hosting.Orchestration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting.Testing;

/// <summary>
/// Calls an AppHost's Main on a thread of its own, holds it when it wants to build, and leaves building, starting and
/// stopping to the test.
/// </summary>
internal sealed class AppHostTakeover(
    Assembly appHost, string[] args, Action<DistributedApplicationOptions, HostApplicationBuilderSettings> configureBuilder)
    : AppHostInterceptor
{
    private readonly TaskCompletionSource<IDistributedApplicationBuilder> _described = NewSource<IDistributedApplicationBuilder>();
    private readonly TaskCompletionSource<DistributedApplication> _built = NewSource<DistributedApplication>();
    private readonly TaskCompletionSource _mayBuild = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly string _store = Path.Combine(Path.GetTempPath(), $"aspire-test-{Guid.NewGuid():N}");
    private DistributedApplicationOptions? _options;

    public override Task Ended => _ended.Task;

    /// <summary>Calls Main, up to where it builds.</summary>
    public Task<IDistributedApplicationBuilder> DescribeAsync(CancellationToken cancellationToken)
    {
        new Thread(CallMain) { IsBackground = true, Name = $"{appHost.GetName().Name} Main" }.Start();
        return _described.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Lets Main build.</summary>
    public Task<DistributedApplication> BuildAsync(CancellationToken cancellationToken)
    {
        _mayBuild.TrySetResult();
        return _built.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Lets Main return, and takes away what the test's application kept.</summary>
    public void End()
    {
        _mayBuild.TrySetCanceled();
        _ended.TrySetResult();
        if (Directory.Exists(_store))
        {
            Directory.Delete(_store, recursive: true);
        }
    }

    public override void ConfigureOptions(DistributedApplicationOptions options)
    {
        // The later of two arguments wins: what the test says goes before what is said here.
        options.Args = ["--DcpPublisher:RandomizePorts=true", $"--Aspire:Store:Path={_store}", .. options.Args ?? [], .. args];
        options.AssemblyName = appHost.GetName().Name;
        _options = options;
    }

    public override void ConfigureHost(HostApplicationBuilderSettings settings)
    {
        settings.EnvironmentName = Environments.Development;
        configureBuilder(_options!, settings);
    }

    public override void OnCreated(IDistributedApplicationBuilder builder)
    {
        // A test says itself where logs go.
        builder.Services.AddLogging(logging => logging.ClearProviders());
    }

    public override void OnBuilding(IDistributedApplicationBuilder builder)
    {
        _described.TrySetResult(builder);
        _mayBuild.Task.GetAwaiter().GetResult();
    }

    public override void OnBuilt(DistributedApplication application)
    {
        application.Disposed += End;
        _built.TrySetResult(application);
    }

    private void CallMain()
    {
        Current = this;
        try
        {
            var main = appHost.EntryPoint
                ?? throw new InvalidOperationException($"The assembly {appHost.GetName().Name} has no entry point.");
            var result = main.Invoke(null, main.GetParameters().Length == 0 ? null : [args]);
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
