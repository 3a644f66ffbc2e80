using System.Diagnostics;

namespace Gateway.Tests.Edge;

/// <summary>The gateway as a process of its own, as an operator starts it, with no services behind it.</summary>
internal sealed class GatewayProcess : IDisposable
{
    private const string Listening = "Now listening on: ";

    private readonly Process _process;

    private GatewayProcess(Process process) => _process = process;

    /// <summary>Where it listens by plain HTTP.</summary>
    public Uri Http { get; private set; } = null!;

    /// <summary>Where it listens by HTTPS.</summary>
    public Uri Https { get; private set; } = null!;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    /// <summary>Runs it until it ends.</summary>
    /// <returns>Its exit code, and what it wrote on standard error.</returns>
    public static async Task<(int ExitCode, string Error)> RunAsync(params string[] options)
    {
        using var gateway = Start(options);
        var output = gateway._process.StandardOutput.ReadToEndAsync(CancellationToken);
        var error = await gateway._process.StandardError.ReadToEndAsync(CancellationToken).Soon();
        await output.Soon();
        await gateway._process.WaitForExitAsync(CancellationToken).Soon();
        return (gateway._process.ExitCode, error);
    }

    /// <summary>Starts it on free ports for both, and waits until it listens.</summary>
    public static async Task<GatewayProcess> StartAsync(params string[] options)
    {
        var gateway = Start([.. options, "--urls=http://127.0.0.1:0;https://127.0.0.1:0"]);
        while (gateway.Http is null || gateway.Https is null)
        {
            var line = await gateway._process.StandardOutput.ReadLineAsync(CancellationToken).AsTask().Soon()
                ?? throw new InvalidOperationException(await gateway._process.StandardError.ReadToEndAsync());
            if (line.IndexOf(Listening, StringComparison.Ordinal) is var at and >= 0)
            {
                var address = new Uri(line[(at + Listening.Length)..]);
                _ = address.Scheme == "http" ? gateway.Http = address : gateway.Https = address;
            }
        }

        return gateway;
    }

    /// <summary>Waits until it has written a line with this text.</summary>
    public Task WrittenAsync(string text)
    {
        return ReadAsync().Soon(); // All lines together: it writes on and on.

        async Task ReadAsync()
        {
            while (await _process.StandardOutput.ReadLineAsync(CancellationToken) is { } line)
            {
                if (line.Contains(text, StringComparison.Ordinal))
                {
                    return;
                }
            }

            Assert.Fail($"It ended, and did not say '{text}'.");
        }
    }

    public void Dispose()
    {
        _process.Kill();
        _process.Dispose();
    }

    private static GatewayProcess Start(params string[] options) => new(Process.Start(
        new ProcessStartInfo(
            "dotnet",
            [
                "exec", typeof(Program).Assembly.Location, "--urls=http://127.0.0.1:0",
                "--Identity:ClientSecret=a secret of the tests", .. options,
            ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = AppContext.BaseDirectory,
        })!);
}
