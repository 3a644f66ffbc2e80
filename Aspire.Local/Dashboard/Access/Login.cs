using System.Net;
using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace Aspire.Dashboard.Access;

/// <summary>The page /login: the AppHost prints its address with the token, <c>/login?t=…</c>.</summary>
internal static class Login
{
    /// <summary>Where it is.</summary>
    public const string Path = "/login";

    /// <summary>The parameter that says where to go on.</summary>
    public const string ReturnUrl = "returnUrl";

    public static void MapLogin(this WebApplication app)
    {
        app.MapGet(Path, (HttpContext context, string? t, string? returnUrl) => t is null
            ? Task.FromResult<IResult>(Page(problem: null, returnUrl))
            : EnterAsync(context, t, returnUrl));
        app.MapPost(Path, (HttpContext context, [FromForm] string? t, [FromForm] string? returnUrl) =>
            EnterAsync(context, t, returnUrl)).DisableAntiforgery();
    }

    private static async Task<IResult> EnterAsync(HttpContext context, string? token, string? returnUrl)
    {
        var frontend = context.RequestServices.GetRequiredService<IOptions<DashboardOptions>>().Value.Frontend;
        if (frontend.AuthMode != AuthMode.Unsecured && !SecretHandler.IsSecret(token?.Trim(), frontend.BrowserToken!))
        {
            return Page("That is not the token. The AppHost prints it when it starts.", returnUrl);
        }

        await context.SignInAsync(
            new ClaimsPrincipal(Caller.Named(CookieAuthenticationDefaults.AuthenticationScheme)),
            new AuthenticationProperties { IsPersistent = true });
        return TypedResults.LocalRedirect(IsLocal(returnUrl) ? returnUrl! : "/");
    }

    private static bool IsLocal(string? url) =>
        url is ['/', ..] && url is not ['/', '/' or '\\', ..] && !url.Any(char.IsControl);

    private static ContentHttpResult Page(string? problem, string? returnUrl) => TypedResults.Content(
        $$"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
          <meta charset="utf-8"><meta name="viewport" content="width=device-width">
          <title>Log in – Aspire dashboard</title>
          <link rel="icon" href="data:,">
          <style>
            :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
            main { max-width: 28rem; margin: 15vh auto; padding: 0 1rem; }
            input, button { font: inherit; padding: .5rem; width: 100%; box-sizing: border-box; }
            input { margin: .25rem 0 1rem; }
          </style>
        </head>
        <body>
          <main>
            <h1>Dashboard</h1>
            {{(problem is null ? "" : $"<p role=\"alert\">{WebUtility.HtmlEncode(problem)}</p>")}}
            <form method="post" action="{{Path}}">
              <label for="t">Token</label>
              <input id="t" name="t" type="password" autocomplete="off" required autofocus>
              <input type="hidden" name="{{ReturnUrl}}" value="{{WebUtility.HtmlEncode(returnUrl)}}">
              <button>Log in</button>
            </form>
            <p>The AppHost prints the dashboard's address when it starts, with the token behind <code>t=</code>.</p>
          </main>
        </body>
        </html>
        """,
        "text/html; charset=utf-8",
        statusCode: problem is null ? StatusCodes.Status200OK : StatusCodes.Status401Unauthorized);
}
