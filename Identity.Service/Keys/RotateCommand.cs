using System.Globalization;

namespace Identity.Service;

/// <summary>
/// <c>dotnet run --project Identity.Service -- rotate-keys</c>: publishes the next keys before they are due, and
/// does not listen.
/// </summary>
internal static class RotateCommand
{
    /// <summary>Adds what the command needs.</summary>
    public static void AddKeyRotationCommand(this IHostApplicationBuilder builder, string[] args)
    {
        if (IsAskedFor(args))
        {
            builder.Logging.ClearProviders(); // Its output is its own.
        }
    }

    /// <summary>Whether the command line asks for it.</summary>
    public static bool IsAskedFor(string[] args) => args is ["rotate-keys", ..];

    /// <summary>Makes the keys, unless the next ones exist already, and says when they begin to sign.</summary>
    /// <returns>The exit code: 0, or 1 when it could not be done.</returns>
    public static async Task<int> RotateKeysAsync(this WebApplication app)
    {
        try
        {
            await app.Services.WithKeysAsync(
                Turns.WhileRunning,
                async (keys, db) =>
                {
                    foreach (var key in await keys.MakeNextAsync(db, CancellationToken.None))
                    {
                        Console.WriteLine(string.Create(
                            CultureInfo.InvariantCulture,
                            $"{key.Use} key {key.Id}, made {key.CreatedAt:u}, is in use from {key.SignsFrom:u}."));
                    }
                },
                CancellationToken.None);
            Console.WriteLine("Tokens signed by earlier keys stay valid until they expire.");
            return 0;
        }
        catch (Exception exception) when (ServiceRun.Explain(exception) is { } sentence)
        {
            await Console.Error.WriteLineAsync(sentence);
            return 1;
        }
    }

    /// <summary>
    /// Works on the keys, for a command, which does not start the service: brings the schema up to date and takes the
    /// turn of a replica.
    /// </summary>
    private static async Task WithKeysAsync(
        this IServiceProvider services,
        TimeSpan patience,
        Func<SigningKeys, IdentityDb, Task> work,
        CancellationToken cancellationToken)
    {
        await services.MigrateAsync<IdentityDb>(cancellationToken);
        await using var scope = services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IdentityDb>();
        await db.InTurnAsync(
            patience,
            async () =>
            {
                await scope.ServiceProvider.GetRequiredService<KeyRing>().CheckAsync(cancellationToken);
                await work(scope.ServiceProvider.GetRequiredService<SigningKeys>(), db);
            },
            cancellationToken);
    }
}
