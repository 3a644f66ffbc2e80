using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;

namespace Aspire.Local.Tests;

/// <summary>Servers that are there already are used, and none is started in their place.</summary>
public sealed class OutsideServerTests
{
    private const string NoBinaries = "--Aspire:Local:PostgresBin=/nowhere";

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Server_GivenFromOutside_GetsTheDatabaseAndNoProcess()
    {
        await using var outside = await StartAsync([], builder => builder.AddPostgres("postgres"));
        await HealthyAsync(outside, "postgres");
        var given = (await outside.GetConnectionStringAsync("postgres", Cancellation))!;

        await using var app = await StartAsync(
            [NoBinaries, $"--ConnectionStrings:postgres={given}"],
            builder => builder.AddPostgres("postgres").WithDataVolume().AddDatabase("db", "made_here"));
        await HealthyAsync(app, "db");
        await AssertNoProcessAsync(app, "postgres");
        Assert.Equal($"{given};Database=made_here", await app.GetConnectionStringAsync("db", Cancellation));
        await Sql.ExecuteAsync($"{given};Database=made_here", "CREATE TABLE there (n int)");
    }

    [Fact]
    public async Task Database_GivenFromOutside_LeavesItsServerDown()
    {
        await using var outside = await StartAsync([], builder => builder.AddPostgres("postgres").AddDatabase("db"));
        await HealthyAsync(outside, "db");
        var given = (await outside.GetConnectionStringAsync("db", Cancellation))!;

        await using var app = await StartAsync([NoBinaries, $"--ConnectionStrings:db={given}"], builder =>
        {
            var db = builder.AddPostgres("postgres").AddDatabase("db");
            builder.AddExecutable("reader", "sh", ".", "-c", "echo $ConnectionStrings__db $DB_URI")
                .WithReference(db).WaitFor(db);
        });
        await app.ResourceNotifications.WaitForResourceAsync("postgres", KnownResourceStates.NotStarted, Cancellation)
            .WaitAsync(Timeout, Cancellation);
        var said = await app.Services.GetRequiredService<ResourceLoggerService>().WatchAsync("reader")
            .FirstAsync(Cancellation).AsTask().WaitAsync(Timeout, Cancellation);
        var host = new Npgsql.NpgsqlConnectionStringBuilder(given);
        Assert.Equal(
            $"{given} postgresql://postgres:{host.Password}@{host.Host}:{host.Port}/db", said.Single().Content);
    }

    [Fact]
    public async Task Redis_GivenFromOutside_IsUsed()
    {
        await using var outside = await StartAsync([], builder => builder.AddRedis("cache"));
        await HealthyAsync(outside, "cache");
        var given = (await outside.GetConnectionStringAsync("cache", Cancellation))!;

        await using var app = await StartAsync([$"--ConnectionStrings:cache={given}"], builder =>
        {
            var cache = builder.AddRedis("cache");
            builder.AddExecutable("reader", "sh", ".", "-c", "echo $ConnectionStrings__cache,password=$CACHE_PASSWORD")
                .WithReference(cache).WaitFor(cache);
        });
        await HealthyAsync(app, "cache");
        await AssertNoProcessAsync(app, "cache");
        var said = await app.Services.GetRequiredService<ResourceLoggerService>().WatchAsync("reader")
            .FirstAsync(Cancellation).AsTask().WaitAsync(Timeout, Cancellation);
        var password = given.Split("password=")[1];
        Assert.Equal($"{given},password={password}", said.Single().Content);
    }

    [Fact]
    public async Task Password_WithSpecialCharacters_IsEncodedInTheUri()
    {
        await using var app = await StartAsync(["--Parameters:pass=a@b/c:d e"], builder =>
        {
            var cache = builder.AddRedis("cache", password: builder.AddParameter("pass", secret: true));
            builder.AddExecutable("reader", "sh", ".", "-c", "echo $CACHE_URI").WithReference(cache);
        });
        var said = await app.Services.GetRequiredService<ResourceLoggerService>().WatchAsync("reader")
            .FirstAsync(Cancellation).AsTask().WaitAsync(Timeout, Cancellation);
        Assert.StartsWith("redis://:a%40b%2Fc%3Ad%20e@", said.Single().Content, StringComparison.Ordinal);
    }

    private static async Task AssertNoProcessAsync(DistributedApplication app, string resource)
    {
        var state = await app.ResourceNotifications.WaitForResourceAsync(resource, _ => true, Cancellation)
            .WaitAsync(Timeout, Cancellation);
        Assert.Empty(state.Snapshot.Properties);
    }

    private static async Task<DistributedApplication> StartAsync(
        string[] args, Action<IDistributedApplicationBuilder> describe)
    {
        var builder = DistributedApplicationTestingBuilder.Create(args);
        describe(builder);
        var app = await builder.BuildAsync(Cancellation);
        await app.StartAsync(Cancellation).WaitAsync(Timeout, Cancellation);
        return app;
    }

    private static Task<ResourceEvent> HealthyAsync(DistributedApplication app, string resource) =>
        app.ResourceNotifications.WaitForResourceHealthyAsync(resource, Cancellation).WaitAsync(Timeout, Cancellation);
}
