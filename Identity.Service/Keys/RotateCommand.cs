using System.Globalization;

namespace Identity.Service;

/// <summary>
/// <c>dotnet run --project Identity.Service -- rotate-keys</c>: publishes the next keys before they are due, and
/// does not listen.
/// </summary>
internal static class RotateCommand
{
    /// <summary>Whether the command line asks for it.</summary>
    /// <param name="args">The command line.</param>
    public static bool IsAskedFor(string[] args) => args is ["rotate-keys", ..];

    /// <summary>Makes the keys, unless the next ones exist already, and says when they begin to sign.</summary>
    /// <param name="app">The service, not started.</param>
    /// <returns>The exit code: 0, or 1 when it could not be done.</returns>
    public static async Task<int> RotateKeysAsync(this WebApplication app)
    {
        try
        {
            await using var scope = app.Services.CreateAsyncScope();
            var db = scope.ServiceProvider.GetRequiredService<IdentityDb>();
            await app.Services.MigrateAsync<IdentityDb>(CancellationToken.None);
            await db.InTurnAsync(
                Turns.WhileRunning,
                async () =>
                {
                    await scope.ServiceProvider.GetRequiredService<KeyRing>().CheckAsync(CancellationToken.None);
                    var keys = scope.ServiceProvider.GetRequiredService<SigningKeys>();
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
}
