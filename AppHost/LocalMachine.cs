using AppHost.Servers;

namespace AppHost;

/// <summary>Fits the AppHost to the machine that it runs on, before Aspire reads the environment.</summary>
internal static class LocalMachine
{
    private const string ThisMachine = "localhost,127.0.0.1,::1,[::1]";

    /// <summary>
    /// Keeps calls to this machine off a corporate proxy, picks ports for the dashboard's intakes, and turns failures
    /// that the user can mend into one sentence.
    /// </summary>
    public static void Prepare()
    {
        // Resources inherit these. Go and .NET read them in a different order, so both spellings are set.
        foreach (var name in new[] { "NO_PROXY", "no_proxy" })
        {
            var others = Environment.GetEnvironmentVariable(name);
            Environment.SetEnvironmentVariable(
                name, string.IsNullOrEmpty(others) ? ThisMachine : $"{ThisMachine},{others}");
        }

        SetUnlessGiven("ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL", $"http://localhost:{FreePort.Next()}");
        SetUnlessGiven("ASPIRE_RESOURCE_SERVICE_ENDPOINT_URL", $"http://localhost:{FreePort.Next()}");

        AppDomain.CurrentDomain.UnhandledException += (_, failure) =>
        {
            if (failure.ExceptionObject is DistributedApplicationException exception)
            {
                Console.Error.WriteLine(exception.Message);
                Environment.Exit(1);
            }
        };
    }

    private static void SetUnlessGiven(string name, string value)
    {
        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable(name)))
        {
            Environment.SetEnvironmentVariable(name, value);
        }
    }
}
