using System.Net;
using System.Net.Http.Headers;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Identity.Tests;

/// <summary>A service with the defaults of all, which asks the replicas of Identity.Service for their keys.</summary>
internal sealed class ResourceServer : IAsyncDisposable
{
    private const int HeaderBytes = 2 * 1024 * 1024;

    private readonly WebApplication _service;
    private readonly HttpClient _client = new();

    /// <param name="identity">The addresses of the replicas.</param>
    /// <param name="takesLargeHeaders">Whether headers of a megabyte reach the check of tokens.</param>
    public ResourceServer(IEnumerable<Uri> identity, bool takesLargeHeaders = false)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Configuration["Auth:KeyRefreshInterval"] = "00:00:02";
        foreach (var (index, address) in identity.Index())
        {
            builder.Configuration[$"services:identity:http:{index}"] = address.AbsoluteUri;
        }

        builder.AddServiceDefaults();
        builder.AddTokenAuthentication();
        if (takesLargeHeaders)
        {
            builder.WebHost.ConfigureKestrel(kestrel =>
            {
                kestrel.Limits.MaxRequestHeadersTotalSize = HeaderBytes;
                kestrel.Limits.MaxRequestBufferSize = HeaderBytes;
            });
        }

        _service = builder.Build();
        _service.UseProblems();
        _service.UseAuthentication();
        _service.UseAuthorization();
        _service.MapGet("/mine", () => TypedResults.Ok()).RequireAuthorization(Tokens.UserPolicy);
    }

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public async Task StartAsync()
    {
        await _service.StartAsync(CancellationToken).Soon();
        _client.BaseAddress = new Uri(_service.Urls.Single());
    }

    public async Task<HttpStatusCode> CallAsync(string? access)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/mine");
        request.Headers.Authorization = access is null ? null : new AuthenticationHeaderValue("Bearer", access);
        using var response = await _client.SendAsync(request, CancellationToken).Soon();
        return response.StatusCode;
    }

    /// <summary>Whether it knows a key already.</summary>
    public async Task<bool> KnowsAsync(string keyId)
    {
        var options = _service.Services.GetRequiredService<IOptionsMonitor<JwtBearerOptions>>()
            .Get(JwtBearerDefaults.AuthenticationScheme);
        var known = await options.ConfigurationManager!.GetConfigurationAsync(CancellationToken).Soon();
        return known.SigningKeys.Any(key => key.KeyId == keyId);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _service.DisposeAsync();
    }
}
