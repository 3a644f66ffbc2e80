using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Hosting;

namespace ServiceDefaults.Tests;

/// <summary>Whoever asks a service that is told to stop hears it before it stops.</summary>
public sealed class StoppingTests
{
    [Theory]
    [InlineData("/alive")]
    [InlineData("/health")]
    public async Task Service_ToldToStop_SaysSoWhileItAnswers(string path)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.AddServiceDefaults();
        await using var app = builder.Build();
        app.MapDefaultEndpoints();
        await app.StartAsync(cancellationToken).Soon();
        using var client = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        using var before = await client.GetAsync(path, cancellationToken).Soon();
        Assert.Equal(HttpStatusCode.OK, before.StatusCode);

        app.Lifetime.StopApplication();
        using var after = await client.GetAsync(path, cancellationToken).Soon();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, after.StatusCode);
    }
}
