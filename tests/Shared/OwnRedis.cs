using System.Diagnostics;
using StackExchange.Redis;

namespace Tests.Shared;

/// <summary>A Redis that one test has for itself, and can stall: it runs, and says nothing.</summary>
internal sealed class OwnRedis : IAsyncDisposable
{
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
        var app = await TestServers.StartAsync("cache");
        using var process = await app.ProcessAsync("cache");
        var connectionString = (await app.GetConnectionStringAsync("cache", TestContext.Current.CancellationToken))!;
        var options = ConfigurationOptions.Parse(connectionString);
        options.AbortOnConnectFail = false;
        options.AsyncTimeout = options.SyncTimeout = 600_000; // Whoever uses it has to have a patience of their own.
        return new OwnRedis(app, connectionString, await ConnectionMultiplexer.ConnectAsync(options), process.Id);
    }

    public void Stall() => Signal("-STOP");

    public void GoOn() => Signal("-CONT");

    public async ValueTask DisposeAsync()
    {
        GoOn();
        await Connection.DisposeAsync();
        await _app.DisposeAsync();
    }

    private void Signal(string signal)
    {
        using var kill = Process.Start("kill", [signal, $"{_pid}"]);
        kill.WaitForExit();
    }
}
