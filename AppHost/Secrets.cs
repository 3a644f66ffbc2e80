namespace AppHost;

/// <summary>Secrets that nobody has to make up.</summary>
internal static class Secrets
{
    private const int Length = 32;

    /// <summary>
    /// Adds a secret that is generated the first time and kept in the AppHost's user secrets, unless
    /// <c>--Parameters:NAME</c> gives one. A run whose data ends with it keeps no secrets either.
    /// </summary>
    public static IResourceBuilder<ParameterResource> AddSecret(
        this IDistributedApplicationBuilder builder, string name, StorageKind storage) => builder.AddParameter(
            name,
            new GenerateParameterDefault { MinLength = Length, Special = false },
            secret: true,
            persist: storage == StorageKind.Persistent);
}
