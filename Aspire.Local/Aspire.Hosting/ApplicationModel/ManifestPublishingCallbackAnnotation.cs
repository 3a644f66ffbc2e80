using Aspire.Hosting.Publishing;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>Writes a resource into the manifest in a way of its own.</summary>
/// <param name="callback">Writes the properties of the resource's object; null leaves the resource out.</param>
public class ManifestPublishingCallbackAnnotation(Func<ManifestPublishingContext, Task>? callback) : IResourceAnnotation
{
    /// <summary>Leaves the resource out.</summary>
    public static ManifestPublishingCallbackAnnotation Ignore { get; } = new(null);

    /// <summary>Writes the properties of the resource's object; null leaves the resource out.</summary>
    public Func<ManifestPublishingContext, Task>? Callback { get; } = callback;
}
