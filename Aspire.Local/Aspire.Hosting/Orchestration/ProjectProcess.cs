using System.Reflection;
using System.Runtime.InteropServices;

namespace Aspire.Hosting.Orchestration;

/// <summary>How a project's built output is started.</summary>
internal static class ProjectProcess
{
    /// <summary>The program that runs what the build has made.</summary>
    public static readonly string DotNet = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH")
        ?? Path.GetFullPath(Path.Combine(
            RuntimeEnvironment.GetRuntimeDirectory(),
            "../../..",
            OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet"));

    /// <summary>Runs the assembly that the AppHost's build made, in the project's folder.</summary>
    public static Task<ProcessSpec> Describe(
        IDistributedApplicationBuilder builder, IProjectMetadata metadata, ProcessContext context)
    {
        var assembly = builder.AppHostAssembly?.GetCustomAttributes<AssemblyMetadataAttribute>()
            .FirstOrDefault(item => item.Key == metadata.ProjectPath)?.Value;
        if (!File.Exists(assembly))
        {
            throw new DistributedApplicationException(
                $"The project '{context.Resource.Name}' ({metadata.ProjectPath}) is not built: "
                + "reference it from the AppHost project and build that.");
        }

        return Task.FromResult(new ProcessSpec(DotNet)
        {
            Arguments = ["exec", assembly],
            WorkingDirectory = Path.GetDirectoryName(metadata.ProjectPath),
        });
    }
}
