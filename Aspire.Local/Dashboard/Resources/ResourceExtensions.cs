using Aspire.Dashboard.Access;
using Microsoft.Extensions.Options;

namespace Aspire.Dashboard.Resources;

/// <summary>Knows the AppHost's resources.</summary>
internal static class ResourceExtensions
{
    /// <summary>Adds the connection to the AppHost.</summary>
    public static void AddAppHost(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<ResourceStore>();
        builder.Services.AddSingleton(services => new ResourceClient(
            services.GetRequiredService<ResourceStore>(), services.GetRequiredService<IOptions<DashboardOptions>>(),
            services.GetRequiredService<ILogger<ResourceClient>>()));
        builder.Services.AddHostedService(services => services.GetRequiredService<ResourceClient>());
    }
}
