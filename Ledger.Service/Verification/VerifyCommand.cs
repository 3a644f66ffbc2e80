using System.Diagnostics;
using Microsoft.Extensions.Options;
using Npgsql;
using StackExchange.Redis;

namespace Ledger.Service.Verification;

/// <summary>
/// <c>dotnet run --project Ledger.Service -- verify</c>: verifies the books and the cache, and listens to nobody.
/// </summary>
internal static class VerifyCommand
{
    /// <summary>Adds the verifier: for the command, or for the metric of a running service.</summary>
    public static void AddVerification(this IHostApplicationBuilder builder, string[] args)
    {
        builder.Services.AddSingleton<LedgerVerifier>();
        builder.Services.AddHostedService<DriftMonitor>();
        if (IsAskedFor(args))
        {
            builder.Logging.ClearProviders(); // Its output is its own.
        }
    }

    /// <summary>Whether the command line asks for it: <c>verify</c>.</summary>
    public static bool IsAskedFor(string[] args) => args is ["verify"];

    /// <summary>Verifies, and names every row that is off on standard output.</summary>
    /// <returns>The exit code: 0 when nothing is off, 1 when something is, 2 when it cannot be told.</returns>
    public static async Task<int> VerifyAsync(this WebApplication app)
    {
        var watch = Stopwatch.StartNew();
        var off = 0L;
        try
        {
            var verifier = app.Services.GetRequiredService<LedgerVerifier>();
            await PrintAsync(verifier.VerifyBooksAsync(accounts: null, Report, CancellationToken.None));
            Report("The cache …");
            try
            {
                await PrintAsync(verifier.VerifyCacheAsync(CancellationToken.None));
            }
            catch (Exception exception)
                when (exception is RedisException or TimeoutException or InvalidOperationException)
            {
                // Without it the ledger decides and reads the same.
                var why = exception is RedisConnectionException failed ? $"{failed.FailureType}" : exception.Message;
                await Console.Error.WriteLineAsync($"The cache was left out, it cannot be read: {why}");
            }
        }
        catch (Exception exception)
            when (exception is NpgsqlException or InvalidOperationException or OptionsValidationException)
        {
            await Console.Error.WriteLineAsync(exception is OptionsValidationException invalid
                ? string.Join(' ', invalid.Failures) : $"The books cannot be read: {exception.Message}");
            return 2;
        }

        Console.WriteLine($"Verified in {watch.Elapsed.TotalSeconds:N1} s: {off:N0} rows are off.");
        return off == 0 ? 0 : 1;

        void Report(string part) => Console.Error.WriteLine($"{watch.Elapsed.TotalSeconds,6:N1} s  {part}");

        async Task PrintAsync(IAsyncEnumerable<Drift> drifts)
        {
            await foreach (var drift in drifts)
            {
                Console.WriteLine(drift);
                off++;
            }
        }
    }
}
