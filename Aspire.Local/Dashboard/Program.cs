using Aspire.Dashboard.Access;
using Aspire.Dashboard.Api;
using Aspire.Dashboard.Components;
using Aspire.Dashboard.Otlp;
using Aspire.Dashboard.Resources;
using Microsoft.Extensions.Options;

var builder = WebApplication.CreateBuilder(args);
builder.WebHost.UseStaticWebAssets(); // It runs from where it was built, in any environment.

builder.ListenAtAddresses();
builder.AddAccess();
builder.AddOtlp();
builder.AddAppHost();
builder.AddPages();

try
{
    var app = builder.Build();
    app.UseAccess();
    app.UseRequestDecompression();
    app.UseRateLimiter();
    app.MapLogin();
    app.MapOtlp();
    app.MapTelemetryApi();
    app.MapPages();
    app.MapGet("/health", () => "Healthy");
    await app.RunAsync();
    return 0;
}
catch (Exception exception) when (exception is OptionsValidationException or IOException or UriFormatException)
{
    await Console.Error.WriteLineAsync(exception.Message);
    return 1;
}
