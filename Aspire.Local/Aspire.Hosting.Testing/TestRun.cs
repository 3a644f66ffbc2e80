using Aspire.Hosting.Orchestration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting.Testing;

/// <summary>
/// What holds for every application in a test: random ports, a state folder of its own that is gone afterwards, and no
/// console output unless the test asks for it.
/// </summary>
internal abstract class TestRun(string[] args) : AppHostInterceptor
{
    private readonly string _store = Path.Combine(Path.GetTempPath(), $"aspire-test-{Guid.NewGuid():N}");

    /// <summary>The test's command line.</summary>
    protected string[] Args { get; } = args;

    /// <summary>Lets the builder build.</summary>
    public abstract Task<DistributedApplication> BuildAsync(CancellationToken cancellationToken);

    public override void ConfigureOptions(DistributedApplicationOptions options)
    {
        // The later of two arguments wins: what the test says goes before what is said here.
        options.Args =
        [
            "--DcpPublisher:RandomizePorts=true", $"--Aspire:Store:Path={_store}", .. options.Args ?? [], .. Args,
        ];
        options.DisableDashboard = true; // Unless the test says otherwise.
    }

    public override void ConfigureHost(HostApplicationBuilderSettings settings) =>
        settings.EnvironmentName = Environments.Development;

    public override void OnCreated(IDistributedApplicationBuilder builder) =>
        builder.Services.AddLogging(logging => logging.ClearProviders());

    public override void OnBuilt(DistributedApplication application) => application.Disposed += End;

    /// <summary>Takes away what the application kept.</summary>
    public virtual void End()
    {
        if (Directory.Exists(_store))
        {
            Directory.Delete(_store, recursive: true);
        }
    }
}

/// <summary>An application that a test describes itself.</summary>
internal sealed class OwnApplication(string[] args) : TestRun(args)
{
    private IDistributedApplicationBuilder? _builder;

    public override Task Ended => Task.CompletedTask;

    /// <summary>Makes the builder.</summary>
    public IDistributedApplicationBuilder CreateBuilder()
    {
        Current = this;
        try
        {
            return _builder = DistributedApplication.CreateBuilder();
        }
        finally
        {
            Current = null;
        }
    }

    public override Task<DistributedApplication> BuildAsync(CancellationToken cancellationToken) =>
        Task.FromResult(_builder!.Build());

    public override void OnBuilding(IDistributedApplicationBuilder builder)
    {
        // Nothing holds it up.
    }
}
