using System.Globalization;
using System.Text.Json;
using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting.Publishing;

/// <summary>
/// Writes resources as Aspire's deployment manifest has them (https://json.schemastore.org/aspire-8.0.json). Values
/// that are known only when it is deployed stay expressions, such as <c>{cache.bindings.tcp.port}</c>.
/// </summary>
/// <param name="executionContext">That the application is published.</param>
/// <param name="manifestPath">The file that is written.</param>
/// <param name="writer">Writes it.</param>
/// <param name="cancellationToken">Ends the writing.</param>
public sealed class ManifestPublishingContext(
    DistributedApplicationExecutionContext executionContext,
    string manifestPath,
    Utf8JsonWriter writer,
    CancellationToken cancellationToken = default)
{
    private readonly SortedDictionary<string, string> _encodedParameters = new(StringComparer.Ordinal);

    /// <summary>That the application is published.</summary>
    public DistributedApplicationExecutionContext ExecutionContext { get; } = executionContext;

    /// <summary>The file that is written.</summary>
    public string ManifestPath { get; } = manifestPath;

    /// <summary>Writes it.</summary>
    public Utf8JsonWriter Writer { get; } = writer;

    /// <summary>Ends the writing.</summary>
    public CancellationToken CancellationToken { get; } = cancellationToken;

    /// <summary>A path as seen from the manifest's folder, with slashes.</summary>
    /// <param name="path">A full path.</param>
    /// <returns>The relative path; null when the path is.</returns>
    public string? GetManifestRelativePath(string? path) => path is null
        ? null
        : Path.GetRelativePath(Path.GetDirectoryName(Path.GetFullPath(ManifestPath))!, path).Replace('\\', '/');

    /// <summary>Writes the connection string of a resource that has one.</summary>
    /// <param name="resource">The resource.</param>
    public void WriteConnectionString(IResource resource)
    {
        if (resource is IResourceWithConnectionString source)
        {
            Writer.WriteString("connectionString", Expression(source.ConnectionStringExpression));
        }
    }

    /// <summary>Writes a container: its image, arguments, volumes, variables and endpoints.</summary>
    /// <param name="container">The container.</param>
    /// <returns>The writing.</returns>
    public async Task WriteContainerAsync(ContainerResource container)
    {
        var image = container.Annotations.OfType<ContainerImageAnnotation>().LastOrDefault()
            ?? throw new DistributedApplicationException($"Container '{container.Name}' has no image.");
        Writer.WriteString("type", "container.v0");
        WriteConnectionString(container);
        Writer.WriteString("image", $"{image.Registry}/{image.Image}:{image.Tag}");
        if (container.Entrypoint is { } entrypoint)
        {
            Writer.WriteString("entrypoint", entrypoint);
        }

        await WriteCommandLineArgumentsAsync(container);
        WriteVolumes(container);
        await WriteEnvironmentVariablesAsync(container);
        WriteBindings(container);
    }

    /// <summary>Writes the endpoints of a resource.</summary>
    /// <param name="resource">The resource.</param>
    public void WriteBindings(IResource resource)
    {
        var endpoints = resource.Annotations.OfType<EndpointAnnotation>().ToList();
        if (endpoints.Count == 0)
        {
            return;
        }

        Writer.WriteStartObject("bindings");
        foreach (var endpoint in endpoints)
        {
            Writer.WriteStartObject(endpoint.Name);
            Writer.WriteString("scheme", endpoint.UriScheme);
            Writer.WriteString("protocol", endpoint.Protocol.ToString().ToLowerInvariant());
            Writer.WriteString("transport", endpoint.Transport);
            if (endpoint.Port is { } port && port != endpoint.TargetPort)
            {
                Writer.WriteNumber("port", port);
            }

            if (endpoint.TargetPort is { } targetPort)
            {
                Writer.WriteNumber("targetPort", targetPort);
            }

            if (endpoint.IsExternal)
            {
                Writer.WriteBoolean("external", true);
            }

            Writer.WriteEndObject();
        }

        Writer.WriteEndObject();
    }

    /// <summary>Writes the environment variables of a resource.</summary>
    /// <param name="resource">The resource.</param>
    /// <returns>The writing.</returns>
    public async Task WriteEnvironmentVariablesAsync(IResource resource)
    {
        var context = new EnvironmentCallbackContext(ExecutionContext, cancellationToken: CancellationToken);
        foreach (var annotation in resource.Annotations.OfType<EnvironmentCallbackAnnotation>())
        {
            await annotation.Callback(context);
        }

        if (context.EnvironmentVariables.Count > 0)
        {
            Writer.WriteStartObject("env");
            foreach (var (name, value) in context.EnvironmentVariables)
            {
                Writer.WriteString(name, Expression(value));
            }

            Writer.WriteEndObject();
        }
    }

    /// <summary>Writes the command-line arguments of a resource.</summary>
    /// <param name="resource">The resource.</param>
    /// <returns>The writing.</returns>
    public async Task WriteCommandLineArgumentsAsync(IResource resource)
    {
        var context = new CommandLineArgsCallbackContext([], CancellationToken) { ExecutionContext = ExecutionContext };
        foreach (var annotation in resource.Annotations.OfType<CommandLineArgsCallbackAnnotation>())
        {
            await annotation.Callback(context);
        }

        if (context.Args.Count > 0)
        {
            Writer.WriteStartArray("args");
            foreach (var argument in context.Args)
            {
                Writer.WriteStringValue(Expression(argument));
            }

            Writer.WriteEndArray();
        }
    }

    /// <summary>Writes the whole manifest.</summary>
    internal async Task WriteModelAsync(IEnumerable<IResource> resources)
    {
        Writer.WriteStartObject();
        Writer.WriteStartObject("resources");
        foreach (var resource in resources)
        {
            var own = resource.Annotations.OfType<ManifestPublishingCallbackAnnotation>().LastOrDefault();
            if (own is { Callback: null })
            {
                continue;
            }

            Writer.WriteStartObject(resource.Name);
            await (own is null ? WriteResourceAsync(resource) : own.Callback(this));
            Writer.WriteEndObject();
        }

        foreach (var (name, expression) in _encodedParameters)
        {
            Writer.WriteStartObject(name);
            Writer.WriteString("type", "annotated.string");
            Writer.WriteString("value", expression);
            Writer.WriteString("filter", ReferenceExpression.UriFormat);
            Writer.WriteEndObject();
        }

        Writer.WriteEndObject();
        Writer.WriteEndObject();
        await Writer.FlushAsync(CancellationToken);
    }

    private Task WriteResourceAsync(IResource resource)
    {
        switch (resource)
        {
            case ContainerResource container:
                return WriteContainerAsync(container);
            case ProjectResource project:
                return WriteProjectAsync(project);
            case ExecutableResource executable:
                return WriteExecutableAsync(executable);
            case ParameterResource parameter:
                WriteParameter(parameter);
                return Task.CompletedTask;
            case IResourceWithConnectionString value:
                Writer.WriteString("type", "value.v0");
                WriteConnectionString(value);
                return Task.CompletedTask;
            default:
                throw new DistributedApplicationException(
                    $"Resource '{resource.Name}' cannot be written into a manifest: leave it out with "
                    + "ExcludeFromManifest().");
        }
    }

    private async Task WriteProjectAsync(ProjectResource project)
    {
        var metadata = project.Annotations.OfType<IProjectMetadata>().Last();
        Writer.WriteString("type", "project.v0");
        Writer.WriteString("path", GetManifestRelativePath(metadata.ProjectPath));
        await WriteCommandLineArgumentsAsync(project);
        await WriteEnvironmentVariablesAsync(project);
        WriteBindings(project);
    }

    private async Task WriteExecutableAsync(ExecutableResource executable)
    {
        Writer.WriteString("type", "executable.v0");
        Writer.WriteString("workingDirectory", GetManifestRelativePath(executable.WorkingDirectory));
        Writer.WriteString("command", executable.Command);
        await WriteCommandLineArgumentsAsync(executable);
        await WriteEnvironmentVariablesAsync(executable);
        WriteBindings(executable);
    }

    private void WriteParameter(ParameterResource parameter)
    {
        Writer.WriteString("type", "parameter.v0");
        Writer.WriteString("value", $"{{{parameter.Name}.inputs.value}}");
        Writer.WriteStartObject("inputs");
        Writer.WriteStartObject("value");
        Writer.WriteString("type", "string");
        if (parameter.Secret)
        {
            Writer.WriteBoolean("secret", true);
        }

        if (parameter.Default is { } byDefault)
        {
            Writer.WriteStartObject("default");
            byDefault.WriteToManifest(this);
            Writer.WriteEndObject();
        }

        Writer.WriteEndObject();
        Writer.WriteEndObject();
    }

    private void WriteVolumes(ContainerResource container)
    {
        var volumes = container.Annotations.OfType<ContainerMountAnnotation>().ToList();
        if (volumes.Count == 0)
        {
            return;
        }

        Writer.WriteStartArray("volumes");
        foreach (var volume in volumes)
        {
            Writer.WriteStartObject();
            Writer.WriteString("name", volume.Source);
            Writer.WriteString("target", volume.Target);
            Writer.WriteBoolean("readOnly", volume.IsReadOnly);
            Writer.WriteEndObject();
        }

        Writer.WriteEndArray();
    }

    private string Expression(object value) => value switch
    {
        ReferenceExpression expression => Expression(expression),
        IManifestExpressionProvider provider => provider.ValueExpression,
        _ => value.ToString() ?? "",
    };

    /// <summary>A parameter that goes into a URI becomes a resource of its own, which the deployment encodes.</summary>
    private string Expression(ReferenceExpression expression) => string.Format(
        CultureInfo.InvariantCulture,
        expression.Format,
        [.. expression.ValueProviders.Zip(expression.StringFormats, (provider, format) =>
        {
            if (provider is ReferenceExpression inner)
            {
                return inner is { Format: "{0}", ValueProviders: [ParameterResource only] } && format is not null
                    ? Encoded(only, format)
                    : Expression(inner);
            }

            return provider is ParameterResource parameter && format is not null
                ? Encoded(parameter, format)
                : ((IManifestExpressionProvider)provider).ValueExpression;
        })]);

    private string Encoded(ParameterResource parameter, string format)
    {
        var name = $"{parameter.Name}-{format}-encoded";
        _encodedParameters[name] = parameter.ValueExpression;
        return $"{{{name}.value}}";
    }
}
