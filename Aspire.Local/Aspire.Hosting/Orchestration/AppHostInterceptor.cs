using Microsoft.Extensions.Hosting;

namespace Aspire.Hosting.Orchestration;

/// <summary>
/// Lets a test run an AppHost's own Main and take its application over: what Main describes is built and started when
/// the test says so. Flows with the thread that calls Main, so several AppHosts can be taken over side by side.
/// </summary>
internal abstract class AppHostInterceptor
{
    private static readonly AsyncLocal<AppHostInterceptor?> CurrentInterceptor = new();

    /// <summary>The interceptor of the Main that runs here, if a test called it.</summary>
    public static AppHostInterceptor? Current
    {
        get => CurrentInterceptor.Value;
        protected set => CurrentInterceptor.Value = value;
    }

    /// <summary>Completes when the test has ended the application.</summary>
    public abstract Task Ended { get; }

    /// <summary>Before the builder reads its options.</summary>
    public abstract void ConfigureOptions(DistributedApplicationOptions options);

    /// <summary>Before the builder reads configuration.</summary>
    public abstract void ConfigureHost(HostApplicationBuilderSettings settings);

    /// <summary>When the builder is there.</summary>
    public abstract void OnCreated(IDistributedApplicationBuilder builder);

    /// <summary>When Main has described everything. Returns when the test wants the application built.</summary>
    public abstract void OnBuilding(IDistributedApplicationBuilder builder);

    /// <summary>When the application is there.</summary>
    public abstract void OnBuilt(DistributedApplication application);
}
