
namespace Aspire.Local.Tests;

/// <summary>A volume belongs to one AppHost, and to one resource of it.</summary>
public sealed class VolumeTests : IDisposable
{
    private readonly string _store = Path.Combine(Path.GetTempPath(), $"volumes-{Guid.NewGuid():N}");

    public void Dispose()
    {
        if (Directory.Exists(_store))
        {
            Directory.Delete(_store, recursive: true);
        }
    }

    [Fact]
    public async Task PostgresVolume_OfAnAppHostThatRuns_IsRefusedToASecondOne()
    {
        await using var first = await TestApp.StartAsync(
            [Store], builder => builder.AddPostgres("postgres").WithDataVolume().AddDatabase("db"));
        var connectionString = await first.DatabaseAsync("db");

        var (exitCode, output) = await AppHostProcess.RunAsync(Store);
        Assert.Equal(1, exitCode);
        Assert.Contains(
            $"Volume 'postgres-data' ({_store}/volumes/postgres-data) is in use by another AppHost, process "
            + $"{Environment.ProcessId}: end that one",
            output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);

        await Sql.ExecuteAsync(connectionString, "CREATE TABLE unharmed (n int)");
    }

    /// <summary>The state folder is named after the AppHost's own, so that two clones have two.</summary>
    [Fact]
    public async Task Volumes_OfTwoClones_AreTwo()
    {
        await using var first = await TestApp.StartAsync([$"{Store}/one"], Describe);
        await using var second = await TestApp.StartAsync([$"{Store}/two"], Describe);
        await Sql.ExecuteAsync(await first.DatabaseAsync("db"), "CREATE TABLE mine (n int)");
        await Sql.ExecuteAsync(await second.DatabaseAsync("db"), "CREATE TABLE mine (n int)");

        static void Describe(IDistributedApplicationBuilder builder) =>
            builder.AddPostgres("postgres").WithDataVolume().AddDatabase("db");
    }

    [Fact]
    public async Task RedisVolume_OfAnAppHostThatRuns_IsRefusedToASecondOne()
    {
        await using var first = await TestApp.StartAsync(
            [Store], builder => builder.AddRedis("cache").WithDataVolume());
        await first.HealthyAsync("cache");
        var pid = await first.PidAsync("cache");

        var refused = await TestApp.RefusedAsync(
            [Store], builder => builder.AddRedis("cache").WithDataVolume());
        Assert.StartsWith("Volume 'cache-data' (", refused, StringComparison.Ordinal);

        Assert.Equal(pid, await first.PidAsync("cache"));
    }

    [Fact]
    public async Task Volume_OfTwoResources_IsRefused()
    {
        var refused = await TestApp.RefusedAsync([Store], builder =>
        {
            builder.AddRedis("one").WithDataVolume("shared");
            builder.AddRedis("two").WithDataVolume("shared");
        });
        Assert.StartsWith("Volume 'shared' is given to 'one' and to 'two'", refused, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Servers_WithoutAVolume_NeverCollide()
    {
        await using var first = await TestApp.StartAsync([Store], AddServers);
        await using var second = await TestApp.StartAsync([Store], AddServers);
        await first.HealthyAsync("postgres");
        await second.HealthyAsync("postgres");
        await first.HealthyAsync("cache");
        await second.HealthyAsync("cache");

        static void AddServers(IDistributedApplicationBuilder builder)
        {
            builder.AddPostgres("postgres");
            builder.AddRedis("cache");
        }
    }

    private string Store => $"--Aspire:Store:Path={_store}";
}
