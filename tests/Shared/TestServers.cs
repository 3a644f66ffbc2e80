extern alias apphost; // Services have a Program too.

using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Tests.Shared;

/// <summary>The AppHost's own PostgreSQL and Redis, without the services. Their data ends with the test.</summary>
internal static class TestServers
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(2);

    /// <summary>Starts some of the servers and databases, and waits until they are healthy.</summary>
    /// <param name="names">Such as <c>ledgerdb</c> or <c>cache</c>.</param>
    public static Task<DistributedApplication> StartAsync(params string[] names) =>
        StartAsync(["--Storage=ephemeral"], names);

    /// <summary>Starts some of the servers and databases with options of the AppHost.</summary>
    public static async Task<DistributedApplication> StartAsync(string[] options, params string[] names)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<apphost::Projects.AppHost>(
            options, cancellationToken).WaitAsync(StartTimeout, cancellationToken);
        try
        {
            builder.Services.AddLogging(logging => logging.ClearProviders());
            var wanted = builder.Resources.Where(resource => names.Contains(resource.Name)).ToList();
            var needed = wanted.OfType<IResourceWithParent>().Select(resource => resource.Parent).Concat(wanted)
                .ToHashSet();
            foreach (var other in builder.Resources.Where(resource => !needed.Contains(resource)).ToList())
            {
                if (other is not ParameterResource)
                {
                    builder.Resources.Remove(other);
                }
            }

            var app = await builder.BuildAsync(cancellationToken).WaitAsync(StartTimeout, cancellationToken);
            await app.StartAsync(cancellationToken).WaitAsync(StartTimeout, cancellationToken);
            foreach (var name in names)
            {
                await app.ResourceNotifications.WaitForResourceHealthyAsync(name, cancellationToken)
                    .WaitAsync(StartTimeout, cancellationToken);
            }

            return app;
        }
        catch
        {
            await builder.DisposeAsync();
            throw;
        }
    }
}
