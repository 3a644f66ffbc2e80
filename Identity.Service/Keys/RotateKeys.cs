using Microsoft.Extensions.Options;

namespace Identity.Service;

/// <summary>
/// Keeps <see cref="SigningKeys"/> up to date: reads what other replicas have made, makes the next keys when they are
/// due, and goes over to them when it is their turn.
/// </summary>
/// <param name="services">Where the database comes from.</param>
/// <param name="keys">The keys.</param>
/// <param name="auth">How often.</param>
/// <param name="clock">The time.</param>
/// <param name="logger">Says which keys were made.</param>
internal sealed partial class RotateKeys(
    IServiceProvider services, SigningKeys keys, AuthOptions auth, TimeProvider clock, ILogger<RotateKeys> logger)
    : BackgroundService
{
    /// <summary>A caller can make up unknown keys; each costs one reading of a few rows, and not more often.</summary>
    private static readonly TimeSpan MinPause = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _reading = new(1);
    private long? _lastReadForAToken;

    /// <summary>
    /// Reads the keys because a token names one that is not known here, unless that was done a moment ago.
    /// </summary>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task ReadForATokenAsync(CancellationToken cancellationToken)
    {
        await _reading.WaitAsync(cancellationToken);
        try
        {
            if (_lastReadForAToken is not { } last || clock.GetElapsedTime(last) >= MinPause)
            {
                _lastReadForAToken = clock.GetTimestamp();
                await using var scope = services.CreateAsyncScope();
                await keys.LoadAsync(scope.ServiceProvider.GetRequiredService<IdentityDb>(), cancellationToken);
            }
        }
        catch (OptionsValidationException unreadable)
        {
            Failed(logger, unreadable); // No caller's fault. The keys of before stay.
        }
        finally
        {
            _reading.Release();
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _reading.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(auth.KeyRotation.ReadInterval, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                keys.TakeTurn(); // Also when the database is away.
                keys.TouchRing();
                await ReadAsync(stoppingToken);
            }
            catch (Exception failed) when (failed is not OperationCanceledException)
            {
                // The database was away, say. Keys are made so long before they sign that a later round will do.
                Failed(logger, failed);
            }
        }
    }

    private async Task ReadAsync(CancellationToken cancellationToken)
    {
        await using var scope = services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IdentityDb>();
        if (!await keys.LoadAsync(db, cancellationToken))
        {
            return;
        }

        await db.InTurnAsync(
            Turns.WhileRunning,
            async () =>
            {
                foreach (var made in await keys.MakeDueAsync(db, cancellationToken))
                {
                    Made(logger, made.Use, made.Id, made.SignsFrom);
                }
            },
            cancellationToken);
    }

    [LoggerMessage(
        1201, LogLevel.Information, "{Use} key {KeyId} is published and in use from {SignsFrom}",
        EventName = "KeyPublished")]
    private static partial void Made(ILogger logger, KeyUse use, long keyId, DateTimeOffset signsFrom);

    [LoggerMessage(1202, LogLevel.Error, "The keys could not be read or made", EventName = "KeyRotationFailed")]
    private static partial void Failed(ILogger logger, Exception exception);
}
