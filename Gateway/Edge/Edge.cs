namespace Gateway.Edge;

/// <summary>What stands between the world and the first line of the API.</summary>
internal static class EdgeExtensions
{
    /// <summary>Adds the limits of connections, HTTPS, CORS, and whom and what to believe.</summary>
    public static void AddEdge(this WebApplicationBuilder builder)
    {
        builder.AddConnectionLimits();
        builder.AddHttps();
        builder.AddCrossOrigin();
        builder.AddProxies();
        builder.AddTraceParent();
    }

    /// <summary>
    /// Finds out who asks, refuses what no call of the API can be, and sets the headers of all answers. Goes first.
    /// </summary>
    public static void UseEdge(this WebApplication app)
    {
        app.UseHeadAsGet();
        app.UseRouting();
        app.UseProxies();
        app.UseSecurityHeaders();
        app.UseRequestGuard();
        app.UseHttps();
        app.UseCors();
    }

    /// <summary>Limits a request's length and time. Goes after UseProblems, which says what was too much.</summary>
    public static void UseRequestLimits(this WebApplication app)
    {
        app.UseBodyLimit();
        app.UseRequestTimes();
    }
}
