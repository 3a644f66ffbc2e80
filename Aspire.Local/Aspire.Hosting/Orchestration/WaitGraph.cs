using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting.Orchestration;

/// <summary>Which resource needs which.</summary>
internal static class WaitGraph
{
    /// <summary>What a resource uses: its references, what it waits for, and its parent.</summary>
    public static IEnumerable<IResource> Uses(IResource resource)
    {
        var related = resource.Annotations.OfType<ResourceRelationshipAnnotation>()
            .Select(relation => relation.Resource);
        var parents = resource is IResourceWithParent child ? [child.Parent] : Enumerable.Empty<IResource>();
        return related.SelectMany(other => other is IResourceWithParent part ? [other, part.Parent] : new[] { other })
            .Concat(parents).Distinct();
    }

    /// <summary>Throws when resources wait for each other in a circle, which could never start.</summary>
    public static void RefuseCycles(IEnumerable<IResource> resources)
    {
        foreach (var resource in resources)
        {
            Walk(resource, []);
        }

        static void Walk(IResource resource, List<IResource> path)
        {
            if (path.Contains(resource))
            {
                var circle = path.Skip(path.IndexOf(resource)).Append(resource).Select(r => r.Name);
                throw new DistributedApplicationException(
                    $"These resources wait for each other and could never start: {string.Join(" -> ", circle)}.");
            }

            foreach (var wait in resource.Annotations.OfType<WaitAnnotation>())
            {
                Walk(wait.Resource, [.. path, resource]);
            }
        }
    }
}
