using System.Globalization;

namespace Chat.Service.Reconciliation;

/// <summary>
/// <c>dotnet run --project Chat.Service -- reconcile [--days=1] [--charge]</c>: names the stored chats that nobody has
/// paid for, charges them with <c>--charge</c>, and listens to nobody.
/// </summary>
internal static class ReconcileCommand
{
    private const int MaxDays = 36_500;

    /// <summary>Adds what the command needs.</summary>
    /// <param name="builder">The service's builder.</param>
    /// <param name="args">The command line.</param>
    public static void AddReconciliation(this IHostApplicationBuilder builder, string[] args)
    {
        builder.Services.AddScoped<Reconciler>();
        if (IsAskedFor(args))
        {
            builder.Logging.ClearProviders(); // Its output is its own.
        }
    }

    /// <summary>Whether the command line asks for it.</summary>
    /// <param name="args">The command line.</param>
    public static bool IsAskedFor(string[] args) => args is ["reconcile", ..];

    /// <summary>Reconciles, and names every chat that is not paid for on standard output.</summary>
    /// <param name="app">The service, not started.</param>
    /// <param name="args">The command line.</param>
    /// <returns>The exit code: 0 when all is paid for, 1 when something is left, 2 when it cannot be told.</returns>
    public static async Task<int> ReconcileAsync(this WebApplication app, string[] args)
    {
        if (!TryRead(args, out var days, out var charges))
        {
            return await CannotAsync($"Use: reconcile [--days=1 to {MaxDays}] [--charge]");
        }

        var (found, left) = (0L, 0L);
        try
        {
            await using var scope = app.Services.CreateAsyncScope();
            var since = scope.ServiceProvider.GetRequiredService<TimeProvider>().GetUtcNow().AddDays(-days);
            await foreach (var unpaid in scope.ServiceProvider.GetRequiredService<Reconciler>()
                .FindAsync(since, charges, CancellationToken.None))
            {
                var outcome = unpaid.Charge is { } charge ? $"charge: {charge}" : "not paid for";
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"user {unpaid.Chat.UserId}, chat {unpaid.Chat.Id}, hold {unpaid.Chat.HoldId}, {unpaid.Chat.Cost} "
                        + $"tokens, {unpaid.Chat.CreatedAt.UtcDateTime:u}: {outcome}"));
                found++;
                left += unpaid.IsLeft ? 1 : 0;
            }
        }
        catch (HttpRequestException exception)
        {
            return await CannotAsync($"The ledger cannot be asked: {exception.Message}");
        }
        catch (Exception exception) when (ServiceRun.Explain(exception) is { } sentence)
        {
            return await CannotAsync(sentence);
        }

        Console.WriteLine($"{found:N0} chats of the last {days} days were not paid for, {left:N0} are left.");
        return left == 0 ? 0 : 1;
    }

    private static bool TryRead(string[] args, out int days, out bool charges)
    {
        (days, charges) = (1, false);
        foreach (var arg in args.Skip(1))
        {
            if (arg == "--charge")
            {
                charges = true;
            }
            else if (!arg.StartsWith("--days=", StringComparison.Ordinal)
                || !int.TryParse(arg["--days=".Length..], CultureInfo.InvariantCulture, out days)
                || days is < 1 or > MaxDays)
            {
                return false;
            }
        }

        return true;
    }

    private static async Task<int> CannotAsync(string why)
    {
        await Console.Error.WriteLineAsync(why);
        return 2;
    }
}
