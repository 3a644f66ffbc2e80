namespace AppHost;

/// <summary>Where the build puts programs of other projects.</summary>
internal static class BuildOutput
{
    /// <summary>
    /// The program of a project, built as this one was: <c>bin/Debug/net10.0/Gateway</c> in its folder. To start it
    /// directly saves the second and the 140 MB that <c>dotnet run</c> takes for each.
    /// </summary>
    public static string PathOf(IProjectMetadata project)
    {
        var framework = new DirectoryInfo(Path.GetDirectoryName(typeof(BuildOutput).Assembly.Location)!);
        return Path.Combine(
            Path.GetDirectoryName(project.ProjectPath)!, "bin", framework.Parent!.Name, framework.Name,
            Path.GetFileNameWithoutExtension(project.ProjectPath));
    }

    /// <summary>Starts a project's program as it was built, without <c>dotnet run</c>.</summary>
    public static IResourceBuilder<ProjectResource> StartsBuiltProgram(this IResourceBuilder<ProjectResource> project)
    {
        var metadata = project.Resource.GetProjectMetadata();
        return project.WithAnnotation(new ExecutableAnnotation
        {
            Command = PathOf(metadata),
            WorkingDirectory = Path.GetDirectoryName(metadata.ProjectPath)!,
        });
    }
}
