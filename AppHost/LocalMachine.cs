using AppHost.Servers;
using Microsoft.Extensions.Configuration;

namespace AppHost;

/// <summary>Fits the AppHost to the machine that it runs on, before Aspire reads the environment.</summary>
internal static class LocalMachine
{
    private const string ThisMachine = "localhost,127.0.0.1,::1,[::1]";

    /// <summary>
    /// Turns failures that the user can mend into one sentence, keeps calls to this machine off a corporate proxy, and
    /// finds ports for the dashboard; <c>--DashboardPort=PORT</c> chooses that of its pages. It sets variables of the
    /// process, since Aspire and what it starts read them from there: tests that run several AppHosts share them.
    /// </summary>
    public static void Prepare(string[] args)
    {
        AppDomain.CurrentDomain.UnhandledException += (_, failure) =>
        {
            var exception = failure.ExceptionObject as Exception;
            exception = exception is AggregateException ? exception.InnerException : exception;
            if (exception is DistributedApplicationException)
            {
                Console.Error.WriteLine(exception.Message);
                Environment.Exit(1);
            }
        };

        // Resources inherit these. Go and .NET read them in a different order, so both spellings are set.
        foreach (var name in new[] { "NO_PROXY", "no_proxy" })
        {
            var others = Environment.GetEnvironmentVariable(name);
            Environment.SetEnvironmentVariable(
                name, string.IsNullOrEmpty(others) ? ThisMachine : $"{ThisMachine},{others}");
        }

        var configuration = new ConfigurationBuilder().AddEnvironmentVariables().AddCommandLine(args).Build();
        if (configuration["DashboardPort"] is not null)
        {
            var port = AppHostOptions.Number(configuration, "DashboardPort", 0, 1, 65_535);
            Environment.SetEnvironmentVariable("ASPNETCORE_URLS", $"http://localhost:{port}");
        }

        var publishes = configuration["operation"] is "publish"; // There is no dashboard then.
        var address = Environment.GetEnvironmentVariable("ASPNETCORE_URLS");
        if (!publishes && Uri.TryCreate(address, UriKind.Absolute, out var pages) && pages.Port != 0)
        {
            FreePort.Take(pages.Port, "--DashboardPort");
        }

        SetUnlessGiven(configuration, "ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL", $"http://localhost:{FreePort.Next()}");
        SetUnlessGiven(configuration, "ASPIRE_RESOURCE_SERVICE_ENDPOINT_URL", $"http://localhost:{FreePort.Next()}");
        // Otherwise Aspire asks NuGet for a newer version of itself, and a stop waits for the answer.
        SetUnlessGiven(configuration, "ASPIRE_VERSION_CHECK_DISABLED", "true");
    }

    private static void SetUnlessGiven(IConfiguration configuration, string name, string value)
    {
        if (string.IsNullOrEmpty(configuration[name]))
        {
            Environment.SetEnvironmentVariable(name, value);
        }
    }
}
