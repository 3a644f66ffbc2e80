namespace Aspire.Hosting.ApplicationModel;

/// <summary>A resource's connection string, as the value of an environment variable.</summary>
/// <param name="resource">The resource.</param>
/// <param name="optional">Whether it may be missing; the variable is then not set.</param>
public class ConnectionStringReference(IResourceWithConnectionString resource, bool optional)
    : IManifestExpressionProvider, IValueProvider
{
    /// <summary>The resource.</summary>
    public IResourceWithConnectionString Resource { get; } = resource;

    /// <summary>Whether it may be missing.</summary>
    public bool Optional { get; } = optional;

    string IManifestExpressionProvider.ValueExpression => Resource.ValueExpression;

    async ValueTask<string?> IValueProvider.GetValueAsync(CancellationToken cancellationToken)
    {
        var value = await Resource.GetConnectionStringAsync(cancellationToken);
        return Optional || !string.IsNullOrEmpty(value)
            ? value
            : throw new DistributedApplicationException(
                $"The connection string for the resource '{Resource.Name}' is not available.");
    }
}
