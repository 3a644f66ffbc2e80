using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;

namespace AppHost.Tests;

/// <summary>A generated password is where it is needed, and nowhere else.</summary>
[Collection(nameof(RunningSystem))]
public sealed class SecretTests(RunningSystem system)
{
    internal static readonly string[] Parameters =
    [
        "postgres-password", "cache-password", "admin-password", "chat-client-secret",
        "ledger-client-secret", "gateway-client-secret", "ledger-cache-key", "identity-key-secret",
    ];

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Secrets_OfARun_AreOnNoCommandLineAndInNoLog()
    {
        var model = system.App.Services.GetRequiredService<DistributedApplicationModel>();
        var secrets = new List<string>();
        foreach (var name in Parameters)
        {
            var parameter = model.Resources.OfType<ParameterResource>().Single(parameter => parameter.Name == name);
            secrets.Add((await parameter.GetValueAsync(CancellationToken))!);
        }

        Assert.All(secrets, secret => Assert.True(secret.Length >= 22, secret));
        Assert.Distinct(secrets);
        var commandLines = string.Join('\n', System.Diagnostics.Process.GetProcesses()
            .Select(process => ProcessTable.CommandLineOf(process.Id)));
        Assert.Contains("postgres", commandLines, StringComparison.Ordinal);
        Assert.All(secrets, secret => Assert.DoesNotContain(secret, commandLines, StringComparison.Ordinal));

        foreach (var (resource, text) in new[]
        {
            ("postgres", "ready to accept connections"), ("cache", "Ready to accept connections"),
            ("identity", "Application started"), ("ledger", "Application started"),
            ("chat", "Application started"), ("gateway", "Application started"),
        })
        {
            var log = string.Join('\n', (await system.LogAsync(resource, text)).Select(line => line.Content));
            Assert.All(secrets, secret => Assert.DoesNotContain(secret, log, StringComparison.Ordinal));
        }
    }

    /// <summary>Aspire's dashboard masks every value that is marked so.</summary>
    [Fact]
    public void Secrets_InTheDashboard_AreMarkedAsSensitive()
    {
        Assert.All(Parameters, name =>
        {
            Assert.True(system.App.ResourceNotifications.TryGetCurrentState(name, out var parameter));
            var value = Assert.Single(parameter.Snapshot.Properties, property => property.Name == "Value");
            Assert.True(value.IsSensitive);
        });
    }

    [Fact]
    public async Task Postgres_Running_ShowsItsOrdinaryLinesNotAsErrors()
    {
        var log = await system.LogAsync("postgres", "LOG:  database system is ready to accept connections");
        Assert.All(log, line => Assert.False(line.IsErrorMessage, line.Content));
    }
}
