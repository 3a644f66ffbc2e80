using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Identity.Tests;

/// <summary>A call for admins, in a service with the defaults of all, which asks this one for its keys.</summary>
public sealed class AdminPolicyTests(IdentityFixture identity) : IAsyncLifetime
{
    private readonly HttpClient _issuer = identity.Lenient.CreateClient();
    private readonly HttpClient _client = new();
    private WebApplication? _service;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Configuration["Auth:Authority"] = _issuer.BaseAddress!.AbsoluteUri;
        builder.AddServiceDefaults();
        builder.AddTokenAuthentication();
        _service = builder.Build();
        _service.UseProblems();
        _service.UseAuthentication();
        _service.UseAuthorization();
        _service.MapPost("/credit", () => TypedResults.Ok()).RequireAuthorization(Tokens.AdminPolicy);
        await _service.StartAsync(CancellationToken).Soon();
        _client.BaseAddress = new Uri(_service.Urls.Single());
    }

    [Fact]
    public async Task Call_OfAnAdmin_IsLetIn()
    {
        var tokens = await _issuer.LogInAsync(IdentityServer.AdminName, IdentityServer.AdminPassword);
        using var response = await CallAsync(tokens.Access);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task Call_OfAUser_Is403()
    {
        var tokens = await _issuer.NewUserAsync();
        using var response = await CallAsync(tokens.Access);
        await response.ProblemAsync(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task Call_OfAService_Is403()
    {
        using var issued = await _issuer.OAuthAsync(
            ("grant_type", "client_credentials"), ("client_id", "chat"), ("client_secret", IdentityServer.ChatSecret));
        using var response = await CallAsync((await issued.ReadAsync<OAuthAnswer>(HttpStatusCode.OK)).Access);
        await response.ProblemAsync(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task Call_WithoutAToken_Is401()
    {
        using var response = await CallAsync(access: null);
        await response.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await (_service?.DisposeAsync() ?? ValueTask.CompletedTask);
    }

    private async Task<HttpResponseMessage> CallAsync(string? access)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/credit");
        request.Headers.Authorization = access is null ? null : new("Bearer", access);
        return await _client.SendAsync(request, CancellationToken).Soon();
    }
}
