using System.Diagnostics;
using StackExchange.Redis;

namespace AspireChat.Tests.Shared;

/// <summary>A Redis that one test has for itself, and can stall: it runs, and says nothing.</summary>
internal sealed class OwnRedis : IAsyncDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(1);

    private readonly DistributedApplication _app;
    private readonly int _pid;

    private OwnRedis(
        DistributedApplication app, string connectionString, IConnectionMultiplexer connection, int pid)
    {
        (_app, _pid) = (app, pid);
        (ConnectionString, Connection) = (connectionString, connection);
    }

    public string ConnectionString { get; }

    public IConnectionMultiplexer Connection { get; }

    public static async Task<OwnRedis> StartAsync()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var builder = DistributedApplicationTestingBuilder.Create();
        builder.AddRedis("cache");
        var app = await builder.BuildAsync(cancellationToken);
        await app.StartAsync(cancellationToken).WaitAsync(Timeout, cancellationToken);
        var healthy = await app.ResourceNotifications.WaitForResourceHealthyAsync("cache", cancellationToken)
            .WaitAsync(Timeout, cancellationToken);
        var pid = (int)healthy.Snapshot.Properties.Single(property => property.Name == "executable.pid").Value!;
        var connectionString = (await app.GetConnectionStringAsync("cache", cancellationToken))!;
        var options = ConfigurationOptions.Parse(connectionString);
        options.AbortOnConnectFail = false;
        options.AsyncTimeout = options.SyncTimeout = 600_000; // Whoever uses it has to have a patience of their own.
        return new OwnRedis(app, connectionString, await ConnectionMultiplexer.ConnectAsync(options), pid);
    }

    public void Stall() => Signal("-STOP");

    public void GoOn() => Signal("-CONT");

    public async ValueTask DisposeAsync()
    {
        GoOn();
        await Connection.DisposeAsync();
        await _app.DisposeAsync();
    }

    /// <summary>To its process group: Garnet runs under <c>dotnet tool run</c>.</summary>
    private void Signal(string signal)
    {
        using var kill = Process.Start("kill", [signal, "--", $"-{_pid}"]);
        kill.WaitForExit();
    }
}
