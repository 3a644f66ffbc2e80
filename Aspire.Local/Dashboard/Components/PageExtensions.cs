using Aspire.Dashboard.Access;
using Microsoft.FluentUI.AspNetCore.Components;

namespace Aspire.Dashboard.Components;

/// <summary>The pages, which live on the server: a browser shows what changes without asking.</summary>
internal static class PageExtensions
{
    /// <summary>How many browsers that lost their connection are waited for.</summary>
    private const int MaxLostCircuits = 10;

    /// <summary>Adds what pages need.</summary>
    public static void AddPages(this WebApplicationBuilder builder)
    {
        builder.Services.AddRazorComponents().AddInteractiveServerComponents(options =>
        {
            options.DisconnectedCircuitMaxRetained = MaxLostCircuits;
            options.DisconnectedCircuitRetentionPeriod = TimeSpan.FromMinutes(1);
        });
        builder.Services.AddCascadingAuthenticationState();
        builder.Services.AddFluentUIComponents();
        builder.Services.AddSingleton(TimeProvider.System);
    }

    /// <summary>Maps the pages for those who have logged in, and the files that they are made of.</summary>
    public static void MapPages(this WebApplication app)
    {
        app.UseAntiforgery();
        app.MapStaticAssets();
        app.MapRazorComponents<App>().AddInteractiveServerRenderMode()
            .RequireAuthorization(AccessPolicies.Browser);
    }
}
