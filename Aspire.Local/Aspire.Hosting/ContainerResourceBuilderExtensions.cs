using System.Net.Sockets;
using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting;

/// <summary>What the servers have in common that a deployment runs as containers.</summary>
internal static class ContainerResourceBuilderExtensions
{
    /// <summary>Gives a server its image and its endpoint.</summary>
    /// <param name="builder">The server.</param>
    /// <param name="image">The image.</param>
    /// <param name="tag">The image's tag.</param>
    /// <param name="endpointName">The endpoint's name.</param>
    /// <param name="port">The port clients use; any free one when null.</param>
    /// <param name="targetPort">The port that the container listens on. A process listens on the clients' port.</param>
    public static IResourceBuilder<T> AsContainer<T>(
        this IResourceBuilder<T> builder, string image, string tag, string endpointName, int? port, int targetPort)
        where T : ContainerResource => builder
            .WithAnnotation(new ContainerImageAnnotation { Registry = "docker.io", Image = image, Tag = tag })
            .WithAnnotation(new EndpointAnnotation(
                ProtocolType.Tcp,
                name: endpointName,
                port: port,
                targetPort: builder.ApplicationBuilder.ExecutionContext.IsPublishMode ? targetPort : null));

    /// <summary>Keeps a server's data.</summary>
    /// <param name="builder">The server.</param>
    /// <param name="name">The volume's name; after the resource when null.</param>
    /// <param name="target">The folder in the container.</param>
    public static IResourceBuilder<T> WithVolume<T>(this IResourceBuilder<T> builder, string? name, string target)
        where T : ContainerResource
    {
        // Volumes of this machine lie in the AppHost's own folder; those of a deployment may lie beside others'.
        var application = builder.ApplicationBuilder;
        var prefix = application.ExecutionContext.IsPublishMode
            ? $"{application.Environment.ApplicationName}-".ToLowerInvariant()
            : "";
        name ??= $"{prefix}{builder.Resource.Name}-data";
        return builder.WithAnnotation(
            new ContainerMountAnnotation(name, target, ContainerMountType.Volume, isReadOnly: false),
            ResourceAnnotationMutationBehavior.Replace);
    }

    /// <summary>The name of a server's volume; null when its data ends with the application.</summary>
    public static string? DataVolume(this IResource resource) =>
        resource.Annotations.OfType<ContainerMountAnnotation>().LastOrDefault()?.Source;
}
