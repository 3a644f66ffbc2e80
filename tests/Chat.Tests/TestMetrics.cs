using System.Diagnostics.Metrics;
using Chat.Service;
using Microsoft.Extensions.Hosting.Internal;

namespace Chat.Tests;

/// <summary>Metrics that nobody reads.</summary>
internal static class TestMetrics
{
    public static ChatMetrics New() => new(new Meters(), new HostingEnvironment { ApplicationName = "Chat.Tests" });

    private sealed class Meters : IMeterFactory
    {
        public Meter Create(MeterOptions options) => new(options);

        public void Dispose()
        {
            // They hold nothing.
        }
    }
}
