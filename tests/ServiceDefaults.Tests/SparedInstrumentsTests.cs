using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenTelemetry.Metrics;

namespace ServiceDefaults.Tests;

/// <summary>What services measure.</summary>
public sealed class SparedInstrumentsTests
{
    [Theory]
    [InlineData("http.client.request.duration", null, true)]
    [InlineData("http.client.open_connections", null, false)]
    [InlineData("http.client.open_connections", "false", false)]
    [InlineData("http.client.open_connections", "true", true)]
    public void Instrument_ThatIsSpared_IsMeasuredOnlyWhereAllAre(string name, string? all, bool isMeasured)
    {
        // A name of its own: other tests' services measure in this process too.
        var service = $"service-{Guid.NewGuid():N}";
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = service });
        builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:1"; // Nothing listens there.
        builder.Configuration["Telemetry:AllInstruments"] = all;
        builder.ConfigureOpenTelemetry();
        using var services = builder.Services.BuildServiceProvider();
        Assert.NotNull(services.GetRequiredService<MeterProvider>()); // It listens from now on.

        using var meter = new Meter(service);

        Assert.Equal(isMeasured, meter.CreateCounter<int>(name).Enabled);
    }
}
