using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.Configuration;

namespace Aspire.Hosting.Orchestration;

/// <summary>
/// Servers and databases that the AppHost does not run: whoever sets <c>ConnectionStrings:{resource}</c> in its
/// configuration has one already.
/// </summary>
internal static class OutsideServers
{
    /// <summary>Replaces the process of each resource for which a connection string is given.</summary>
    public static void Apply(IEnumerable<IResource> resources, IConfiguration configuration)
    {
        var all = resources.ToList();
        foreach (var resource in all.OfType<IResourceWithConnectionString>())
        {
            if (configuration.GetConnectionString(resource.Name) is { Length: > 0 } connectionString)
            {
                resource.Annotations.Add(new OutsideAnnotation(connectionString));
                Remove<ProcessAnnotation>(resource);
                Remove<ProvisionAnnotation>(resource);
                Remove<RequirementAnnotation>(resource);
                Remove<EndpointAnnotation>(resource);
            }
        }

        foreach (var server in all.Where(resource => IsUnused(resource, all)))
        {
            // It can still be started by hand, but the machine need not have it.
            Remove<RequirementAnnotation>(server);
            server.Annotations.Add(new ExplicitStartupAnnotation());
        }
    }

    /// <summary>The connection string that was given for a resource, or null.</summary>
    public static string? OutsideConnectionString(this IResource resource) =>
        resource.Annotations.OfType<OutsideAnnotation>().LastOrDefault()?.ConnectionString;

    /// <summary>Whether a server has databases, all of them outside, and is not used itself.</summary>
    private static bool IsUnused(IResource server, List<IResource> all)
    {
        var parts = all.OfType<IResourceWithParent>().Where(part => part.Parent == server).ToList();
        return parts.Count > 0
            && parts.All(part => part.OutsideConnectionString() is not null)
            && !all.Any(other => other.Annotations.OfType<ResourceRelationshipAnnotation>()
                .Any(relation => relation.Resource == server));
    }

    private static void Remove<T>(IResource resource) where T : IResourceAnnotation
    {
        foreach (var annotation in resource.Annotations.OfType<T>().ToList())
        {
            resource.Annotations.Remove(annotation);
        }
    }

    private sealed record OutsideAnnotation(string ConnectionString) : IResourceAnnotation;
}
