using System.Net;
using System.Net.Sockets;

namespace AppHost.Tests;

/// <summary>What cannot start says so in one sentence, and exits with 1.</summary>
public sealed class BadConfigurationTests : IDisposable
{
    private readonly Place _place = new();

    public void Dispose() => _place.Dispose();

    [Theory]
    [InlineData("--PostgresBin=/nowhere", "PostgresBin is '/nowhere', which has no 'initdb'")]
    [InlineData("--Storage=elsewhere", "Storage is 'elsewhere': use persistent or ephemeral.")]
    [InlineData("--Servers=clouds", "Servers is 'clouds': use processes or containers.")]
    [InlineData("--RedisServer=memcached", "RedisServer is 'memcached': use redis-server or garnet, or leave it out.")]
    [InlineData("--Replicas=0", "Replicas is '0': use a number from 1 to 16.")]
    [InlineData("--Replicas=many", "Replicas is 'many': use a number from 1 to 16.")]
    [InlineData("--DashboardPort=abc", "DashboardPort is 'abc': use a number from 1 to 65535.")]
    [InlineData("--GatewayPort=http", "GatewayPort is 'http': use a number from 0 to 65519.")]
    [InlineData("--DataPath=/dev/null/data", "Data cannot be kept in /dev/null/data")]
    public Task Option_ThatDoesNotFit_IsNamed(string option, string sentence) => AssertRefusedAsync(sentence, option);

    [Fact]
    public async Task Port_ThatIsTaken_IsNamedWithItsOption()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        await AssertRefusedAsync(
            $"Port {port} is taken by another process: end that one, or choose another port with --GatewayPort=PORT.",
            $"--GatewayPort={port}", "--DcpPublisher:RandomizePorts=false");
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Data_UsedByAnotherAppHost_IsLeftToIt()
    {
        var (app, client) = await AppHostProcess.ReadyAsync(_place, []);
        await using var _ = app;
        using (client)
        {
            await AssertRefusedAsync("is in use by another AppHost: end that one, or give this one data of its own");
            Assert.True((await client.GetAsync("/health", TestContext.Current.CancellationToken)).IsSuccessStatusCode);
        }
    }

    [Fact]
    public async Task Data_WhosePasswordIsLost_IsNotTouchedAndTheSentenceSaysWhatToDo()
    {
        var (app, client) = await AppHostProcess.ReadyAsync(_place, []);
        client.Dispose();
        app.Signal("TERM");
        await app.EndAsync();
        await app.DisposeAsync();
        Directory.Delete(_place.Home, recursive: true); // With the user's secrets.
        Directory.CreateDirectory(_place.Home);
        await AssertRefusedAsync("was made with another password than the one in the user secrets: bring back");
    }

    private async Task AssertRefusedAsync(string sentence, params string[] options)
    {
        var (exitCode, output) = await AppHostProcess.RunAsync(_place, options);
        Assert.Contains(sentence, output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
        Assert.Equal(1, exitCode);
    }
}
