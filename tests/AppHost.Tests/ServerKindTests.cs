using Aspire.Hosting.ApplicationModel;
using AppHost.Servers;

namespace AppHost.Tests;

/// <summary>Processes, containers, or servers of the user's own: the services cannot tell which.</summary>
public sealed class ServerKindTests
{
    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    /// <summary>No machine of ours has an engine: the model is looked at, and not started.</summary>
    [Fact]
    public async Task Containers_InPlaceOfProcesses_HaveTheSameNamesAndReferences()
    {
        using var place = new Place();
        await using var processes = await CreateAsync(place);
        await using var containers = await CreateAsync(place, "--Servers=containers");
        Assert.IsType<PostgresProcessResource>(Resource(processes, "postgres"));
        Assert.IsType<RedisProcessResource>(Resource(processes, "cache"));
        var postgres = Assert.IsType<PostgresServerResource>(Resource(containers, "postgres"));
        Assert.IsType<RedisResource>(Resource(containers, "cache"));
        Assert.Contains(
            postgres.Annotations.OfType<ContainerMountAnnotation>(), mount => mount.Type == ContainerMountType.Volume);
        Assert.Equal(
            processes.Resources.Select(resource => resource.Name).Order(),
            containers.Resources.Select(resource => resource.Name).Order());
        foreach (var service in new[] { "identity", "ledger", "chat", "gateway" })
        {
            Assert.Equal(References(processes, service), References(containers, service));
        }
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task OwnServers_GivenByConnectionStrings_AreUsedInPlaceOfOurs()
    {
        await using var theirs = await TestServers.StartAsync("postgres", "cache");
        using var place = new Place();
        var (app, client) = await AppHostProcess.ReadyAsync(place,
        [
            $"--ConnectionStrings:postgres={await theirs.GetConnectionStringAsync("postgres", CancellationToken)}",
            $"--ConnectionStrings:cache={await theirs.GetConnectionStringAsync("cache", CancellationToken)}",
        ]);
        await using var _ = app;
        using (client)
        {
            Assert.Equal(3900, await Users.ChatAsync(client, await Users.NewAsync(client)));
        }

        Assert.DoesNotContain(app.Descendants(), process => process.ProcessName is "postgres" or "redis-server");
        Assert.False(Directory.Exists(place.Data));
    }

    private static async Task<IDistributedApplicationTestingBuilder> CreateAsync(
        Place place, params string[] options) =>
        await DistributedApplicationTestingBuilder.CreateAsync<Projects.AppHost>(
            [$"--DataPath={place.Data}", .. options], CancellationToken).Soon();

    private static IResource Resource(IDistributedApplicationTestingBuilder builder, string name) =>
        builder.Resources.Single(resource => resource.Name == name);

    private static IEnumerable<string> References(IDistributedApplicationTestingBuilder builder, string service) =>
        Resource(builder, service).Annotations.OfType<ResourceRelationshipAnnotation>()
            .Select(relationship => $"{relationship.Type} {relationship.Resource.Name}").Order();
}
