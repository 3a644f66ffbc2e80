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
        return related.SelectMany(other => other is IResourceWithParent part ? [other, part.Parent] : new[] { other })
            .Concat(ParentOf(resource)).Distinct();
    }

    /// <summary>
    /// What a resource uses, what that uses, and so on: itself too, where they use each other in a circle.
    /// </summary>
    public static IReadOnlySet<IResource> UsesInAll(IResource resource)
    {
        var found = new HashSet<IResource>();
        var open = new Stack<IResource>([resource]);
        while (open.TryPop(out var user))
        {
            foreach (var used in Uses(user).Where(found.Add))
            {
                open.Push(used);
            }
        }

        return found;
    }

    /// <summary>
    /// Throws when a wait could never end: for a resource of no application, for the end of something that has no
    /// process, or in a circle.
    /// </summary>
    public static void RefuseWhatNeverEnds(IResourceCollection resources)
    {
        foreach (var resource in resources)
        {
            foreach (var wait in resource.Annotations.OfType<WaitAnnotation>())
            {
                Refuse(
                    !resources.Contains(wait.Resource),
                    $"Resource '{resource.Name}' waits for '{wait.Resource.Name}', which is not in the application.");
                Refuse(
                    wait.WaitType == WaitType.WaitForCompletion
                        && !wait.Resource.Annotations.OfType<ProcessAnnotation>().Any(),
                    $"Resource '{resource.Name}' waits for the end of '{wait.Resource.Name}', which has no process "
                    + "that could end.");
            }

            RefuseCircles(resource, []);
        }
    }

    private static void RefuseCircles(IResource resource, List<IResource> path)
    {
        var circle = path.SkipWhile(earlier => earlier != resource).Append(resource).Select(r => r.Name);
        Refuse(
            path.Contains(resource),
            $"These resources wait for each other and could never start: {string.Join(" -> ", circle)}.");
        foreach (var other in resource.Annotations.OfType<WaitAnnotation>().Select(wait => wait.Resource)
            .Concat(ParentOf(resource)))
        {
            RefuseCircles(other, [.. path, resource]);
        }
    }

    private static IEnumerable<IResource> ParentOf(IResource resource) =>
        resource is IResourceWithParent child ? [child.Parent] : [];

    private static void Refuse(bool never, string why)
    {
        if (never)
        {
            throw new DistributedApplicationException(why);
        }
    }
}
