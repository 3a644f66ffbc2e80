using System.Net;
using System.Net.Sockets;
using Aspire.Hosting.ApplicationModel;

namespace Aspire.Local.Tests;

/// <summary>What cannot start says so in a sentence.</summary>
public sealed class BadConfigurationTests
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AppHost_WithoutPostgres_SaysWhatToDoAndExitsWith1()
    {
        var (exitCode, output) = await AppHostProcess.RunAsync(
            "--Storage=ephemeral", "--Aspire:Local:PostgresBin=/nowhere");
        Assert.Equal(1, exitCode);
        Assert.Contains(
            "'Aspire:Local:PostgresBin' is '/nowhere', which has no 'initdb'", output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AppHost_OnATakenPort_NamesPortAndResourceAndExitsWith1()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        var (exitCode, output) = await AppHostProcess.RunAsync("--Storage=ephemeral", $"--GatewayPort={port}");
        Assert.Equal(1, exitCode);
        var owner = OperatingSystem.IsLinux() ? $"process {Environment.ProcessId} (" : "another process";
        Assert.Contains(
            $"Port {port}, which 'gateway' listens on, is taken by {owner}", output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--Storage=elsewhere", "Storage")]
    [InlineData("--Replicas=0", "replicas")]
    [InlineData("--Replicas=many", "Replicas")]
    [InlineData("--GatewayPort=http", "GatewayPort")]
    public async Task AppHost_WithAValueThatDoesNotFit_NamesItAndFails(string argument, string name)
    {
        var (exitCode, output) = await AppHostProcess.RunAsync(argument);
        Assert.Equal(1, exitCode);
        Assert.Contains(name, output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Resource_WithATakenName_IsRefused()
    {
        using var builder = DistributedApplicationTestingBuilder.Create();
        builder.AddRedis("cache");
        var refused = Assert.Throws<DistributedApplicationException>(() => builder.AddPostgres("CACHE"));
        Assert.Contains("already exists", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1st")]
    [InlineData("with space")]
    [InlineData("two--hyphens")]
    [InlineData("ends-")]
    public void Resource_WithANameThatDoesNotFit_IsRefused(string name)
    {
        using var builder = DistributedApplicationTestingBuilder.Create();
        Assert.Throws<ArgumentException>(() => builder.AddRedis(name));
    }

    [Fact]
    public async Task Parameter_WithoutAValue_FailsWhatNeedsIt()
    {
        await using var builder = DistributedApplicationTestingBuilder.Create();
        builder.AddExecutable("needs", "true", ".")
            .WithEnvironment("SECRET", builder.AddParameter("api-key", secret: true));
        var app = await builder.BuildAsync(Cancellation);
        await app.StartAsync(Cancellation).WaitAsync(Timeout, Cancellation);
        await app.ResourceNotifications.WaitForResourceAsync("needs", KnownResourceStates.FailedToStart, Cancellation)
            .WaitAsync(Timeout, Cancellation);
    }

}
