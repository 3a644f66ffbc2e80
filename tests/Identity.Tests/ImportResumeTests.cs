using System.Diagnostics;
using Identity.Service;
using Microsoft.AspNetCore.Http;
using Npgsql;

namespace Identity.Tests;

/// <summary>Whatever cuts an import off, the next run goes on, and nothing is there twice.</summary>
public sealed class ImportResumeTests(IdentityFixture identity)
{
    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Import_StoppedAtEachCallInTurn_GoesOnAndBringsNothingTwice(bool isWritten)
    {
        await using var setup = await ImportSetup.StartAsync(identity);
        AddUsers(setup.File);
        var runs = 0;
        for (var isDone = false; !isDone; runs++)
        {
            Assert.True(runs < 100, "Each run must get further than the one before.");
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(CancellationToken);
            var goodCalls = runs; // The run is stopped at its first call, the next one at its second, and so on.
            var began = setup.Others.Calls;
            Task StopAsync(int call) => call - began > goodCalls ? stop.CancelAsync() : Task.CompletedTask;
            setup.Others.Before = async call =>
            {
                await (isWritten ? Task.CompletedTask : StopAsync(call));
                return stop.IsCancellationRequested ? new NoAnswer() : null;
            };
            setup.Others.After = call => isWritten ? StopAsync(call) : Task.CompletedTask;
            try
            {
                await setup.ImportUntilAsync(stop);
                isDone = true;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
            }
        }

        Assert.InRange(runs, 5, 100);
        await AssertAllIsThereAsync(setup);
    }

    [Theory]
    [InlineData("imported_users")]
    [InlineData("users")]
    public async Task Import_WhoseDatabaseFailsAtAStep_GoesOnWhenItIsBack(string table)
    {
        await using var setup = await ImportSetup.StartAsync(identity);
        AddUsers(setup.File);
        await setup.TextAsync($"""
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF currval(pg_get_serial_sequence('users', 'id')) % 2 = 0 OR '{table}' = 'users' THEN
                    RAISE EXCEPTION 'no disk';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER fail BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION fail()
            """);
        var failed = await Assert.ThrowsAsync<PostgresException>(() => setup.ImportAsync());
        Assert.Contains("no disk", failed.Message, StringComparison.Ordinal);
        Assert.Equal("0", await setup.TextAsync("SELECT count(*) FROM users WHERE user_name LIKE 'user-%'"));

        await setup.TextAsync($"DROP TRIGGER fail ON {table}");
        await setup.ImportAsync();
        await AssertAllIsThereAsync(setup);
    }

    [Fact]
    public async Task Import_WithAServiceThatIsAway_EndsWithASentenceAndGoesOnLater()
    {
        await using var setup = await ImportSetup.StartAsync(identity);
        AddUsers(setup.File);
        setup.Others.Before = _ => Task.FromResult<IResult?>(TypedResults.StatusCode(503));
        var failed = await Assert.ThrowsAsync<ImportProblem>(() => setup.ImportAsync());
        Assert.Contains("'ledger' does not answer", failed.Message, StringComparison.Ordinal);
        Assert.Equal("0", await setup.TextAsync("SELECT count(*) FROM users WHERE user_name LIKE 'user-%'"));

        // One that is away for a moment is waited for.
        setup.Others.Before = call => Task.FromResult<IResult?>(
            call % 4 == 0 ? TypedResults.StatusCode(503) : null);
        await setup.ImportAsync();
        await AssertAllIsThereAsync(setup);
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Command_KilledInTheMiddle_GoesOnWhenItIsStartedAgain()
    {
        await using var setup = await ImportSetup.StartAsync(identity);
        AddUsers(setup.File);
        foreach (var calls in new[] { 3, 7, 8 }) // Among the accounts, and among the chats.
        {
            var reached = new TaskCompletionSource();
            var began = setup.Others.Calls;
            setup.Others.After = async call =>
            {
                if (call - began >= calls)
                {
                    reached.TrySetResult();
                    await Task.Delay(Timeout.Infinite, CancellationToken); // It is written and never answered.
                }
            };
            using var process = ImportProcess.Start(setup);
            await reached.Task.Soon();
            process.Kill();
            await process.WaitForExitAsync(CancellationToken).Soon();
        }

        setup.Others.After = _ => Task.CompletedTask;
        var (exitCode, output, error) = await ImportProcess.RunAsync(setup);
        Assert.True(exitCode == 0, error);
        Assert.Contains("0 were not imported", output, StringComparison.Ordinal);
        await AssertAllIsThereAsync(setup);

        var before = await setup.StateAsync();
        (exitCode, output, _) = await ImportProcess.RunAsync(setup);
        Assert.Equal(0, exitCode);
        Assert.Contains("6 were here already", output, StringComparison.Ordinal);
        Assert.Equal(before, await setup.StateAsync());
    }

    private static void AddUsers(DjangoFile file)
    {
        for (var n = 1; n <= 6; n++)
        {
            var user = file.AddUser($"user-{n}", n);
            for (var chat = 0; chat < n; chat++)
            {
                file.AddChat(user, $"{user}.{chat}", time: $"2024-01-01 00:00:0{chat}");
            }
        }
    }

    private static async Task AssertAllIsThereAsync(ImportSetup setup)
    {
        Assert.Equal(6, setup.Others.Accounts.Count);
        for (var n = 1; n <= 6; n++)
        {
            var id = await setup.IdAsync($"user-{n}");
            Assert.Equal(n, setup.Others.Accounts[id]);
            Assert.Equal(
                Enumerable.Range(0, n).Select(chat => $"{n}.{chat}"),
                setup.Others.Chats[id].Select(chat => chat.Message));
        }

        Assert.Equal("6 6", await setup.TextAsync("SELECT count(*) || ' ' || count(finished_at) FROM imported_users"));
    }
}

/// <summary>Says nothing until the caller has left. Other calls may be under way when a run is stopped.</summary>
internal sealed class NoAnswer : IResult
{
    public Task ExecuteAsync(HttpContext httpContext) =>
        Task.Delay(Timeout.Infinite, httpContext.RequestAborted)
            .ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
}

/// <summary>The command as a process of its own, as an operator starts it.</summary>
internal static class ImportProcess
{
    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public static Process Start(ImportSetup setup, params string[] args) => Start(setup, [], args);

    private static Process Start(ImportSetup setup, Dictionary<string, string> settings, string[] args)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            ArgumentList =
            {
                Path.Combine(AppContext.BaseDirectory, "Identity.Service.dll"), "import-django",
            },
            Environment =
            {
                ["ConnectionStrings__identitydb"] = setup.ConnectionString,
                ["services__ledger__http__0"] = setup.Others.Address,
                ["services__chat__http__0"] = setup.Others.Address,
                ["Auth__KeyProtectionSecret"] = IdentityServer.KeySecret,
            },
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        foreach (var arg in args.Length > 0 ? args : [setup.File.Path])
        {
            start.ArgumentList.Add(arg);
        }

        foreach (var (name, value) in settings)
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }

    public static Task<(int ExitCode, string Output, string Error)> RunAsync(ImportSetup setup, params string[] args) =>
        RunAsync(setup, [], args);

    public static async Task<(int ExitCode, string Output, string Error)> RunAsync(
        ImportSetup setup, Dictionary<string, string> settings, params string[] args)
    {
        using var process = Start(setup, settings, args);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(CancellationToken);
            var error = process.StandardError.ReadToEndAsync(CancellationToken);
            await process.WaitForExitAsync(CancellationToken).Soon();
            return (process.ExitCode, await output.Soon(), await error.Soon());
        }
        finally
        {
            process.Kill();
        }
    }
}
