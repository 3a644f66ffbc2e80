namespace Aspire.Hosting.ApplicationModel;

/// <summary>A server that a deployment runs as a container, and this machine as a process of its own.</summary>
/// <param name="name">The name.</param>
/// <param name="entrypoint">What the container runs; the image's own when null.</param>
public class ContainerResource(string name, string? entrypoint = null)
    : Resource(name), IResourceWithEnvironment, IResourceWithArgs, IResourceWithEndpoints, IResourceWithWaitSupport
{
    /// <summary>What the container runs; the image's own when null. Nothing to a process of this machine.</summary>
    public string? Entrypoint { get; set; } = entrypoint;
}

/// <summary>The image of a container.</summary>
public sealed class ContainerImageAnnotation : IResourceAnnotation
{
    /// <summary>The registry, such as <c>docker.io</c>.</summary>
    public string? Registry { get; set; }

    /// <summary>The image, such as <c>library/postgres</c>.</summary>
    public required string Image { get; set; }

    /// <summary>The tag, such as <c>17.6</c>.</summary>
    public string? Tag { get; set; }
}

/// <summary>A folder of a container that outlives it.</summary>
/// <param name="source">The volume's name.</param>
/// <param name="target">The folder in the container.</param>
/// <param name="type">A volume, or a folder of the host.</param>
/// <param name="isReadOnly">Whether the container may only read it.</param>
public sealed class ContainerMountAnnotation(string? source, string target, ContainerMountType type, bool isReadOnly)
    : IResourceAnnotation
{
    /// <summary>The volume's name.</summary>
    public string? Source { get; } = source;

    /// <summary>The folder in the container.</summary>
    public string Target { get; } = target;

    /// <summary>A volume, or a folder of the host.</summary>
    public ContainerMountType Type { get; } = type;

    /// <summary>Whether the container may only read it.</summary>
    public bool IsReadOnly { get; } = isReadOnly;
}

/// <summary>What is mounted into a container.</summary>
public enum ContainerMountType
{
    /// <summary>A folder of the host.</summary>
    BindMount,

    /// <summary>A volume.</summary>
    Volume,
}
