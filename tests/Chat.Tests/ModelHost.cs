using Chat.Service.Models;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Chat.Tests;

/// <summary>The models as Program.cs wires them, on what every service has, from a configuration.</summary>
internal sealed class ModelHost : IDisposable
{
    private readonly IHost _host;

    private ModelHost(IHost host) => _host = host;

    /// <summary>The models.</summary>
    public ModelCatalog Models => _host.Services.GetRequiredService<ModelCatalog>();

    /// <summary>All that was logged, with exceptions.</summary>
    public LogLines Log { get; private init; } = new();

    /// <param name="settings">Lines such as <c>Chat:Models:one:Provider=openai</c>.</param>
    public static ModelHost Create(params string[] settings) => CreateIn(Environments.Production, settings);

    /// <summary>The lines for a model at a fake endpoint.</summary>
    public static string[] At(string name, FakeUpstream upstream, params string[] more) =>
        At(name, upstream.Endpoint, more);

    /// <summary>The lines for a model at an endpoint.</summary>
    public static string[] At(string name, string endpoint, params string[] more) =>
    [
        $"Chat:Models:{name}:Provider=openai",
        $"Chat:Models:{name}:Endpoint={endpoint}",
        $"Chat:Models:{name}:ApiKey=sk-secret-of-{name}",
        .. more.Select(line => $"Chat:Models:{name}:{line}"),
    ];

    /// <summary>Starts what checks the configuration.</summary>
    public Task StartAsync() => _host.StartAsync(TestContext.Current.CancellationToken).Soon();

    public void Dispose() => _host.Dispose();

    /// <param name="environment">Development or Production.</param>
    /// <param name="settings">Lines such as <c>Chat:Models:one:Provider=openai</c>.</param>
    public static ModelHost CreateIn(string environment, params string[] settings)
    {
        var builder = Host.CreateEmptyApplicationBuilder(
            new() { EnvironmentName = environment, ApplicationName = "Chat.Tests" });
        var log = new LogLines();
        builder.Logging.ClearProviders();
        builder.Logging.SetMinimumLevel(LogLevel.Trace);
        builder.Logging.AddProvider(log);
        foreach (var pair in settings.Select(line => line.Split('=', 2)))
        {
            builder.Configuration[pair[0]] = pair[1];
        }

        builder.AddServiceDefaults();
        builder.Services.AddOptions<Chat.Service.ChatSettings>().BindConfiguration("Chat");
        builder.AddModels();
        return new(builder.Build()) { Log = log };
    }
}
