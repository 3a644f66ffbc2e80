using System.Reflection;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Dashboard;
using Aspire.Hosting.Eventing;
using Aspire.Hosting.Orchestration;
using Aspire.Hosting.Publishing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Aspire.Hosting;

/// <summary>Describes an application whose resources are processes of this machine.</summary>
internal sealed class DistributedApplicationBuilder : IDistributedApplicationBuilder
{
    /// <summary>The key of assembly metadata that holds the AppHost project's folder.</summary>
    private const string AppHostPathKey = "apphostprojectpath";

    /// <summary>The command line's short names for settings, as in Aspire.</summary>
    private static readonly Dictionary<string, string> Switches = new()
    {
        ["--operation"] = "AppHost:Operation",
        ["--publisher"] = "Publishing:Publisher",
        ["--step"] = "Pipeline:Step",
        ["--output-path"] = "Pipeline:OutputPath",
    };

    private readonly HostApplicationBuilder _host;
    private readonly AppHostInterceptor? _interceptor;
    private readonly DistributedApplicationOptions _options;
    private readonly DashboardSetup _dashboard;

    public DistributedApplicationBuilder(DistributedApplicationOptions options, AppHostInterceptor? interceptor)
    {
        (_interceptor, _options) = (interceptor, options);
        interceptor?.ConfigureOptions(options);
        if (interceptor is null)
        {
            AppDomain.CurrentDomain.UnhandledException += SayInASentence;
        }

        AppHostAssembly = options.AssemblyName is { } name ? Assembly.Load(name) : Assembly.GetEntryAssembly();
        AppHostDirectory = FindProjectFolder(AppHostAssembly) ?? System.Environment.CurrentDirectory;

        var settings = new HostApplicationBuilderSettings
        {
            Args = options.Args,
            ApplicationName = AppHostAssembly?.GetName().Name,
            ContentRootPath = AppHostDirectory,
        };
        interceptor?.ConfigureHost(settings);
        _host = new HostApplicationBuilder(settings);
        Configuration.AddCommandLine(options.Args ?? [], Switches);
        ExecutionContext = new DistributedApplicationExecutionContext(ReadOperation(Configuration));

        Services.AddSingleton<IResourceCollection>(Resources);
        Services.AddSingleton(ExecutionContext);
        Services.AddSingleton(services => new DistributedApplicationModel(Resources));
        Services.AddSingleton(Eventing);
        Services.AddSingleton<EventPublisher>();
        Services.AddSingleton(services => new ResourceNotificationService());
        Services.AddSingleton<ResourceLoggerService>();
        Services.AddSingleton<RunningResources>();
        Services.AddSingleton(services => new ResourceCommandService(services.GetRequiredService<RunningResources>()));
        Services.AddSingleton<Watchdog>();
        Services.AddSingleton<ProcessStarter>();
        Services.AddSingleton<AppHostFolders>();
        Services.AddSingleton<PortAllocator>();
        Services.AddSingleton(_dashboard = new DashboardSetup(Configuration));
        Services.AddSingleton<ResourceTeller>();
        Services.AddSingleton<ResourceServer>();
        _ = ExecutionContext.IsPublishMode
            ? Services.AddHostedService<ManifestPublisher>()
            : Services.AddHostedService<Orchestrator>();
        Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(30));

        _host.Logging.AddConsole(console => console.FormatterName = ResourceConsoleFormatter.FormatterName)
            .AddConsoleFormatter<ResourceConsoleFormatter, ConsoleFormatterOptions>();
        _host.Logging.AddFilter("Microsoft", LogLevel.Warning);
        // It logs a start that fails with a stack trace; RunAsync says why in a sentence.
        _host.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
    }

    public ConfigurationManager Configuration => _host.Configuration;

    public string AppHostDirectory { get; }

    public Assembly? AppHostAssembly { get; }

    public IHostEnvironment Environment => _host.Environment;

    public IServiceCollection Services => _host.Services;

    public IDistributedApplicationEventing Eventing { get; } = new DistributedApplicationEventing();

    public DistributedApplicationExecutionContext ExecutionContext { get; }

    public IResourceCollection Resources { get; } = new ResourceCollection();

    public IResourceBuilder<T> AddResource<T>(T resource) where T : IResource
    {
        ArgumentNullException.ThrowIfNull(resource);
        Resources.Add(resource);
        return CreateResourceBuilder(resource);
    }

    public IResourceBuilder<T> CreateResourceBuilder<T>(T resource) where T : IResource =>
        new ResourceBuilder<T>(this, resource);

    public DistributedApplication Build()
    {
        _interceptor?.OnBuilding(this);
        if (ExecutionContext.IsRunMode && !_options.DisableDashboard)
        {
            _dashboard.AddTo(this, isTest: _interceptor is not null);
        }

        var application = new DistributedApplication(_host.Build());
        _interceptor?.OnBuilt(application);
        return application;
    }

    /// <summary>What an AppHost's Main cannot describe is said in a sentence, without a stack trace.</summary>
    private static void SayInASentence(object sender, UnhandledExceptionEventArgs e)
    {
        // A configuration value that does not convert is an InvalidOperationException which names its key.
        if (e.ExceptionObject is DistributedApplicationException or ArgumentException
            or InvalidOperationException { InnerException: FormatException or ArgumentException })
        {
            Console.Error.WriteLine(((Exception)e.ExceptionObject).Message);
            System.Environment.Exit(1);
        }
    }

    private static DistributedApplicationOperation ReadOperation(ConfigurationManager configuration)
    {
        if ("manifest".Equals(configuration["Publishing:Publisher"], StringComparison.OrdinalIgnoreCase))
        {
            // How deployment tools asked for a manifest before there were steps.
            configuration["AppHost:Operation"] ??= nameof(DistributedApplicationOperation.Publish);
            configuration["Pipeline:Step"] ??= ManifestPublisher.Step;
        }

        var operation = configuration["AppHost:Operation"] ?? nameof(DistributedApplicationOperation.Run);
        return Enum.TryParse<DistributedApplicationOperation>(operation, ignoreCase: true, out var known)
            ? known
            : throw new DistributedApplicationException($"The operation is '{operation}': use 'run' or 'publish'.");
    }

    private static string? FindProjectFolder(Assembly? assembly) => assembly?
        .GetCustomAttributes<AssemblyMetadataAttribute>()
        .FirstOrDefault(metadata => metadata.Key == AppHostPathKey)?.Value;

    private sealed class ResourceBuilder<T>(IDistributedApplicationBuilder builder, T resource) : IResourceBuilder<T>
        where T : IResource
    {
        public IDistributedApplicationBuilder ApplicationBuilder => builder;

        public T Resource => resource;

        public IResourceBuilder<T> WithAnnotation<TAnnotation>(
            TAnnotation annotation, ResourceAnnotationMutationBehavior behavior) where TAnnotation : IResourceAnnotation
        {
            if (behavior == ResourceAnnotationMutationBehavior.Replace)
            {
                foreach (var earlier in resource.Annotations.OfType<TAnnotation>().ToArray())
                {
                    resource.Annotations.Remove(earlier);
                }
            }

            resource.Annotations.Add(annotation);
            return this;
        }
    }
}
