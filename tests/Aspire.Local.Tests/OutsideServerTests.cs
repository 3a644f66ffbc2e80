using Aspire.Hosting.ApplicationModel;
using Npgsql;

namespace Aspire.Local.Tests;

/// <summary>Servers that are there already are used, and none is started in their place.</summary>
public sealed class OutsideServerTests
{
    private const string NoBinaries = "--Aspire:Local:PostgresBin=/nowhere";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Server_GivenFromOutside_GetsTheDatabaseAndNoProcess()
    {
        await using var outside = await TestApp.StartAsync(builder => builder.AddPostgres("postgres"));
        await outside.HealthyAsync("postgres");
        var given = (await outside.GetConnectionStringAsync("postgres", Cancellation))!;

        await using var app = await TestApp.StartAsync(
            [NoBinaries, $"--ConnectionStrings:postgres={given}"],
            builder => builder.AddPostgres("postgres").WithDataVolume().AddDatabase("db", "made_here"));
        await app.HealthyAsync("db");
        await AssertNoProcessAsync(app, "postgres");
        Assert.Equal($"{given};Database=made_here", await app.GetConnectionStringAsync("db", Cancellation));
        await Sql.ExecuteAsync($"{given};Database=made_here", "CREATE TABLE there (n int)");
    }

    [Fact]
    public async Task Database_GivenFromOutside_LeavesItsServerDown()
    {
        await using var outside = await TestApp.StartAsync(
            builder => builder.AddPostgres("postgres").AddDatabase("db"));
        await outside.HealthyAsync("db");
        var given = (await outside.GetConnectionStringAsync("db", Cancellation))!;

        await using var app = await TestApp.StartAsync([NoBinaries, $"--ConnectionStrings:db={given}"], builder =>
        {
            var db = builder.AddPostgres("postgres").AddDatabase("db");
            builder.AddExecutable("reader", "sh", ".", "-c", "echo $ConnectionStrings__db $DB_URI")
                .WithReference(db).WaitFor(db);
        });
        await app.StateAsync("postgres", KnownResourceStates.NotStarted);
        var said = await app.SaysAsync("reader");
        var host = new NpgsqlConnectionStringBuilder(given);
        Assert.Equal(
            $"{given} postgresql://postgres:{host.Password}@{host.Host}:{host.Port}/db", said);
    }

    [Fact]
    public async Task Server_OfADatabaseGivenFromOutside_CanBeStartedByHand()
    {
        await using var app = await TestApp.StartAsync(
            ["--ConnectionStrings:db=Host=nowhere"],
            builder => builder.AddPostgres("postgres").WithDataVolume().AddDatabase("db"));
        await app.StateAsync("postgres", KnownResourceStates.NotStarted);
        await app.CommandAsync("postgres", KnownResourceCommands.StartCommand);
        await app.HealthyAsync("postgres");
    }

    [Fact]
    public async Task Redis_GivenFromOutside_IsUsed()
    {
        await using var outside = await TestApp.StartAsync(builder => builder.AddRedis("cache"));
        await outside.HealthyAsync("cache");
        var given = (await outside.GetConnectionStringAsync("cache", Cancellation))!;

        await using var app = await TestApp.StartAsync([$"--ConnectionStrings:cache={given}"], builder =>
        {
            var cache = builder.AddRedis("cache");
            builder.AddExecutable("reader", "sh", ".", "-c", "echo $ConnectionStrings__cache,password=$CACHE_PASSWORD")
                .WithReference(cache).WaitFor(cache);
        });
        await app.HealthyAsync("cache");
        await AssertNoProcessAsync(app, "cache");
        var said = await app.SaysAsync("reader");
        var password = given.Split("password=")[1];
        Assert.Equal($"{given},password={password}", said);
    }

    [Fact]
    public async Task Password_WithSpecialCharacters_IsEncodedInTheUri()
    {
        await using var app = await TestApp.StartAsync(["--Parameters:pass=a@b/c:d e"], builder =>
        {
            var cache = builder.AddRedis("cache", password: builder.AddParameter("pass", secret: true));
            builder.AddExecutable("reader", "sh", ".", "-c", "echo $CACHE_URI").WithReference(cache);
        });
        await app.HealthyAsync("cache");
        var said = await app.SaysAsync("reader");
        Assert.StartsWith("redis://:a%40b%2Fc%3Ad%20e@", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Parameter_WithADash_CanBeGivenWithAnUnderscore()
    {
        await using var app = await TestApp.StartAsync(["--Parameters:the_word=hello"], builder =>
            builder.AddExecutable("reader", "sh", ".", "-c", "echo $WORD")
                .WithEnvironment("WORD", builder.AddParameter("the-word")));
        Assert.Equal("hello", await app.SaysAsync("reader"));
    }

    private static async Task AssertNoProcessAsync(DistributedApplication app, string resource)
    {
        var state = await app.EventAsync(resource, _ => true);
        Assert.Empty(state.Snapshot.Properties);
    }
}
