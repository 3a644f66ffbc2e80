namespace Gateway;

/// <summary>The answer to <c>GET /</c>.</summary>
internal static class Landing
{
    /// <summary>Maps it.</summary>
    /// <param name="app">The gateway.</param>
    public static void MapLanding(this WebApplication app) => app.MapGet("/", () => TypedResults.Ok(new LandingResponse(
        "AspireChat",
        "An AI chat backend with metered tokens.",
        [
            "POST /api/register", "POST /api/login", "POST /api/token/refresh", "POST /api/logout",
            "POST /api/password", "GET /api/me", "DELETE /api/me",
            "POST /api/keys", "GET /api/keys", "PATCH /api/keys/{id}", "DELETE /api/keys/{id}",
            "POST /api/chat", "GET /api/chat", "GET /api/chat/{id}", "GET /api/chat/export", "DELETE /api/chat",
            "DELETE /api/chat/{id}", "GET /api/conversations", "PATCH /api/conversations/{id}",
            "DELETE /api/conversations/{id}", "POST /api/v1/chat/completions", "GET /api/v1/models",
            "GET /api/tokens", "POST /api/tokens/deduct", "GET /api/tokens/keys",
        ])));
}

/// <summary>What this is.</summary>
/// <param name="Name">The product.</param>
/// <param name="Description">In a sentence.</param>
/// <param name="Calls">What it takes.</param>
internal sealed record LandingResponse(string Name, string Description, string[] Calls);
