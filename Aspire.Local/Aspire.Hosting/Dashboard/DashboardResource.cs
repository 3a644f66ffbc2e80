using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting.Dashboard;

/// <summary>The dashboard's process. It is not shown among the application's own resources.</summary>
internal sealed class DashboardResource() : Resource(ResourceName), IResourceWithEndpoints
{
    /// <summary>The name, as in Aspire: <c>app.GetEndpoint("aspire-dashboard")</c> is where the pages are.</summary>
    public const string ResourceName = "aspire-dashboard";

    /// <summary>The endpoint that takes OTLP/gRPC.</summary>
    public const string OtlpGrpc = "otlp-grpc";

    /// <summary>The endpoint that takes OTLP/HTTP.</summary>
    public const string OtlpHttp = "otlp-http";
}
