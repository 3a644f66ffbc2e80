using System.Net.Sockets;
using System.Text.Json;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Orchestration;

namespace Aspire.Hosting;

/// <summary>Adds projects and programs.</summary>
public static class ProjectResourceBuilderExtensions
{
    private static readonly JsonSerializerOptions LaunchSettingsJson =
        new() { ReadCommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    /// <summary>
    /// Adds a project, with the endpoints and variables of its launch profile "http", or else its first.
    /// </summary>
    /// <typeparam name="TProject">The class that the AppHost's build wrote for it.</typeparam>
    /// <param name="builder">The application.</param>
    /// <param name="name">The resource's name.</param>
    /// <returns>The resource.</returns>
    public static IResourceBuilder<ProjectResource> AddProject<TProject>(
        this IDistributedApplicationBuilder builder, string name) where TProject : IProjectMetadata, new() =>
        builder.AddProject<TProject>(name, launchProfileName: "http");

    /// <summary>Adds a project, with the endpoints and variables of a launch profile.</summary>
    /// <typeparam name="TProject">The class that the AppHost's build wrote for it.</typeparam>
    /// <param name="builder">The application.</param>
    /// <param name="name">The resource's name.</param>
    /// <param name="launchProfileName">The profile; none when null.</param>
    /// <returns>The resource.</returns>
    public static IResourceBuilder<ProjectResource> AddProject<TProject>(
        this IDistributedApplicationBuilder builder, string name, string? launchProfileName)
        where TProject : IProjectMetadata, new()
    {
        var metadata = new TProject();
        var profile = launchProfileName is null ? null : ReadProfile(metadata, launchProfileName);
        if (builder.ExecutionContext.IsPublishMode)
        {
            return builder.AddResource(new ProjectResource(name)).WithAnnotation<IProjectMetadata>(metadata)
                .AsDeployed(isWeb: profile?.ApplicationUrl is not null);
        }

        var project = builder.AddResource(new ProjectResource(name)).WithAnnotation<IProjectMetadata>(metadata)
            .WithAnnotation(new ProcessAnnotation((context, _) => ProjectProcess.Describe(builder, metadata, context)));

        foreach (var url in profile?.ApplicationUrl?.Split(';', StringSplitOptions.RemoveEmptyEntries) ?? [])
        {
            var uri = new Uri(url);
            project.WithAnnotation(new EndpointAnnotation(ProtocolType.Tcp, uri.Scheme, port: uri.Port)
            {
                TargetHost = uri.Host,
            });
        }

        return profile is null ? project : project.WithEnvironment(context =>
        {
            context.EnvironmentVariables.TryAdd("DOTNET_LAUNCH_PROFILE", launchProfileName!);
            foreach (var (variable, value) in profile.EnvironmentVariables)
            {
                context.EnvironmentVariables.TryAdd(variable, Environment.ExpandEnvironmentVariables(value));
            }
        });
    }

    /// <summary>Runs several processes of a project. Service discovery lists each.</summary>
    /// <param name="builder">The project.</param>
    /// <param name="replicas">How many; at least 1.</param>
    /// <returns>The same builder.</returns>
    public static IResourceBuilder<ProjectResource> WithReplicas(
        this IResourceBuilder<ProjectResource> builder, int replicas)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(replicas, 1);
        return builder.WithAnnotation(new ReplicaAnnotation(replicas), ResourceAnnotationMutationBehavior.Replace);
    }

    /// <summary>
    /// What a deployment gives a project in place of its launch profile, which is for development.
    /// </summary>
    private static IResourceBuilder<ProjectResource> AsDeployed(
        this IResourceBuilder<ProjectResource> project, bool isWeb)
    {
        project.WithEnvironment("OTEL_DOTNET_EXPERIMENTAL_OTLP_RETRY", "in_memory");
        if (!isWeb)
        {
            return project;
        }

        var http = new EndpointAnnotation(ProtocolType.Tcp, "http");
        return project.WithAnnotation(http).WithAnnotation(new EndpointAnnotation(ProtocolType.Tcp, "https"))
            .WithEnvironment("ASPNETCORE_FORWARDEDHEADERS_ENABLED", "true")
            .WithEnvironment(context => context.EnvironmentVariables["HTTP_PORTS"] =
                project.GetEndpoint(http.Name).Property(EndpointProperty.TargetPort));
    }

    private static LaunchProfile? ReadProfile(IProjectMetadata metadata, string profileName)
    {
        var settings = metadata.LaunchSettings;
        var path = Path.Combine(Path.GetDirectoryName(metadata.ProjectPath)!, "Properties", "launchSettings.json");
        if (settings is null && File.Exists(path))
        {
            settings = JsonSerializer.Deserialize<LaunchSettings>(File.ReadAllText(path), LaunchSettingsJson);
        }

        return settings?.Profiles.GetValueOrDefault(profileName) ?? settings?.Profiles.Values.FirstOrDefault();
    }
}

/// <summary>Adds programs.</summary>
public static class ExecutableResourceBuilderExtensions
{
    /// <summary>Adds a program.</summary>
    /// <param name="builder">The application.</param>
    /// <param name="name">The resource's name.</param>
    /// <param name="command">The program: a path, or a name to find on the PATH.</param>
    /// <param name="workingDirectory">The folder it runs in, from the AppHost's folder on.</param>
    /// <param name="args">Its arguments.</param>
    /// <returns>The resource.</returns>
    public static IResourceBuilder<ExecutableResource> AddExecutable(
        this IDistributedApplicationBuilder builder,
        string name,
        string command,
        string workingDirectory,
        params string[]? args)
    {
        var folder = Path.GetFullPath(Path.Combine(builder.AppHostDirectory, workingDirectory));
        return builder.AddResource(new ExecutableResource(name, command, folder))
            .WithAnnotation(new ProcessAnnotation((_, _) => Task.FromResult(new ProcessSpec(command)
            {
                WorkingDirectory = folder,
            })))
            .WithArgs(args ?? []);
    }
}
