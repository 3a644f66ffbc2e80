using System.Net;

namespace Dashboard.Tests;

/// <summary>Who is let in, and where.</summary>
public sealed class AccessTests(DashboardFixture fixture) : IClassFixture<DashboardFixture>
{
    private readonly DashboardProcess _dashboard = fixture.Dashboard;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/")]
    [InlineData("/consolelogs")]
    [InlineData("/structuredlogs")]
    [InlineData("/traces")]
    [InlineData("/traces/detail/0123456789abcdef0123456789abcdef")]
    [InlineData("/metrics")]
    [InlineData("/overview")]
    public async Task Page_WithoutALogin_LeadsToIt(string path)
    {
        using var client = _dashboard.CreateClient(token: null);
        using var response = await client.GetAsync(path, CancellationToken).Soon();
        Assert.Equal(HttpStatusCode.Redirect, response.StatusCode);
        Assert.Equal("/login", response.Headers.Location!.AbsolutePath);
        Assert.Contains(Uri.EscapeDataString(path), response.Headers.Location.Query, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Circuit_WithoutALogin_IsNotOpened()
    {
        using var client = _dashboard.CreateClient(token: null);
        using var response = await client.PostAsync(
            "/_blazor/negotiate?negotiateVersion=1", content: null, CancellationToken).Soon();
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
    }

    [Theory]
    [InlineData("/login")]
    [InlineData("/login?t=another")]
    [InlineData("/traces")]
    [InlineData("/api/telemetry/traces")]
    [InlineData("/_framework/blazor.web.js")]
    [InlineData("/nothing")]
    public async Task Answer_OfAnyKind_MayNotBeFramedGuessedOrToldOf(string path)
    {
        using var client = _dashboard.CreateClient(token: null);
        using var response = await client.GetAsync(path, CancellationToken).Soon();
        Assert.Equal("nosniff", Assert.Single(response.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal("DENY", Assert.Single(response.Headers.GetValues("X-Frame-Options")));
        Assert.Equal("no-referrer", Assert.Single(response.Headers.GetValues("Referrer-Policy")));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("another")]
    [InlineData(DashboardProcess.ApiKey)]
    public async Task Api_WithoutTheToken_IsRefused(string? token)
    {
        using var client = _dashboard.CreateClient(token);
        foreach (var path in new[] { "resources", "traces", "spans", "logs", "metrics?name=x" })
        {
            using var response = await client.GetAsync($"/api/telemetry/{path}", CancellationToken).Soon();
            Assert.True(response.StatusCode is HttpStatusCode.Unauthorized, $"{path}: {response.StatusCode}");
        }
    }

    [Theory]
    [InlineData("/login?t=" + DashboardProcess.Token, "/")]
    [InlineData("/login?t=" + DashboardProcess.Token + "&returnUrl=%2Ftraces%3Ftext%3Da", "/traces?text=a")]
    [InlineData("/login?t=" + DashboardProcess.Token + "&returnUrl=https%3A%2F%2Fevil.example", "/")]
    [InlineData("/login?t=" + DashboardProcess.Token + "&returnUrl=%2F%2Fevil.example", "/")]
    [InlineData("/login?t=" + DashboardProcess.Token + "&returnUrl=%2F%5Cevil.example", "/")]
    public async Task Login_WithTheToken_GoesOnHere(string path, string expected)
    {
        using var client = _dashboard.CreateClient(token: null);
        using var response = await client.GetAsync(path, CancellationToken).Soon();
        Assert.Equal(HttpStatusCode.Redirect, response.StatusCode);
        Assert.Equal(expected, response.Headers.Location!.OriginalString);
        var cookie = Assert.Single(response.Headers.GetValues("Set-Cookie"));
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=lax", cookie, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Login_WithAnotherToken_IsRefusedWithASentence()
    {
        using var client = _dashboard.CreateClient(token: null);
        using var response = await client.GetAsync("/login?t=another", CancellationToken).Soon();
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.False(response.Headers.Contains("Set-Cookie"));
        Assert.Contains(
            "That is not the token.", await response.Content.ReadAsStringAsync(CancellationToken).Soon(),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Addresses_OfOneKind_DoNotAnswerForTheOthers()
    {
        using var client = new HttpClient();
        foreach (var path in new[] { "/login", "/health", "/api/telemetry/traces", "/_framework/blazor.web.js" })
        {
            using var page = await client.GetAsync(new Uri(_dashboard.Http, path), CancellationToken).Soon();
            Assert.True(page.StatusCode is HttpStatusCode.NotFound, $"{path}: {page.StatusCode}");
            using var asked = new HttpRequestMessage(HttpMethod.Get, new Uri(_dashboard.Grpc, path))
            {
                Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            };
            using var other = await client.SendAsync(asked, CancellationToken).Soon();
            Assert.True(other.StatusCode is HttpStatusCode.NotFound, $"{path}: {other.StatusCode}");
        }

        using var sent = await client.PostAsync(
            new Uri(_dashboard.Frontend, "/v1/traces"), null, CancellationToken).Soon();
        Assert.Equal(HttpStatusCode.NotFound, sent.StatusCode);
    }

    [Theory]
    [InlineData("DASHBOARD__OTLP__PRIMARYAPIKEY", "Dashboard:Frontend:BrowserToken is missing")]
    [InlineData("DASHBOARD__FRONTEND__BROWSERTOKEN", "Dashboard:Otlp:PrimaryApiKey is missing")]
    public async Task Start_WithoutASecret_IsRefusedWithASentence(string given, string expected)
    {
        var (exitCode, error) = await DashboardProcess.RunAsync(new() { [given] = "secret" });
        Assert.Equal(1, exitCode);
        Assert.Contains(expected, error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_OnATakenPort_IsRefusedWithASentence()
    {
        var (exitCode, error) = await DashboardProcess.RunAsync(new()
        {
            ["DASHBOARD__FRONTEND__AUTHMODE"] = "Unsecured",
            ["DASHBOARD__OTLP__AUTHMODE"] = "Unsecured",
            ["ASPNETCORE_URLS"] = _dashboard.Frontend.ToString(),
        });
        Assert.Equal(1, exitCode);
        Assert.Contains("address already in use", error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }
}
