using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Identity.Service;

/// <summary>
/// <c>dotnet run --project Identity.Service -- import-django FILE</c>: brings the users of a Django project, and
/// listens to nobody.
/// </summary>
internal static class ImportCommand
{
    /// <summary>Adds what the command needs.</summary>
    /// <param name="builder">The service's builder.</param>
    /// <param name="args">The command line.</param>
    public static void AddImport(this IHostApplicationBuilder builder, string[] args)
    {
        builder.Services.AddSingleton<ImportStore>();
        builder.Services.AddHttpClient<ImportTargets>();
        builder.Services.AddTransient<DjangoImport>();
        if (IsAskedFor(args))
        {
            builder.Logging.ClearProviders(); // Its output is its own.
        }
    }

    /// <summary>Whether the command line asks for it.</summary>
    /// <param name="args">The command line.</param>
    public static bool IsAskedFor(string[] args) => args is [ImportOptions.Command, ..];

    /// <summary>Imports, shows how far it is, and says what became of it on standard output.</summary>
    /// <param name="app">The service, not started.</param>
    /// <param name="args">The command line.</param>
    /// <returns>The exit code: 0 when all users are here, 1 when not, 2 for a wrong command line.</returns>
    public static async Task<int> ImportAsync(this WebApplication app, string[] args)
    {
        if (args.Contains("--help") || args.Contains("-h"))
        {
            Console.WriteLine(ImportOptions.Help);
            return 0;
        }

        using var stop = new CancellationTokenSource();
        using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        try
        {
            return await ImportAsync(app.Services, ImportOptions.Parse(args), stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return await FailAsync("Stopped. Start the command again to go on.", ImportProblem.Failed);
        }
        catch (ImportProblem problem)
        {
            return await FailAsync(problem.Message, problem.ExitCode);
        }
        catch (Exception exception) when (ServiceRun.Explain(exception) is { } sentence)
        {
            return await FailAsync(sentence, ImportProblem.Failed);
        }

        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stop.Cancel();
        }
    }

    private static async Task<int> ImportAsync(
        IServiceProvider services, ImportOptions options, CancellationToken cancellationToken)
    {
        var source = DjangoDatabase.Open(options);
        using var report = new ImportReport(options.Report);
        await PrepareAsync(services, cancellationToken);
        var watch = Stopwatch.StartNew();
        try
        {
            var import = services.GetRequiredService<DjangoImport>().RunAsync(source, report, cancellationToken);
            var progress = new ImportProgress(report, source.Users, Console.Out, !Console.IsOutputRedirected);
            await progress.WhileAsync(import);
        }
        finally
        {
            Console.WriteLine(report.Summarize(watch.Elapsed, source.OrphanedChats));
        }

        return report.Refused == 0 ? 0 : ImportProblem.Failed;
    }

    /// <summary>
    /// The schema, and the keys that sign this service's own token: what a start sees to, without the rest.
    /// </summary>
    private static Task PrepareAsync(IServiceProvider services, CancellationToken cancellationToken) =>
        services.WithKeysAsync(
            Turns.AtStart, (keys, db) => keys.MakeDueAsync(db, cancellationToken), cancellationToken);

    private static async Task<int> FailAsync(string sentence, int exitCode)
    {
        await Console.Error.WriteLineAsync(sentence);
        return exitCode;
    }
}
