using Microsoft.Extensions.Options;

namespace Identity.Service;

/// <summary>
/// Keeps <see cref="SigningKeys"/> up to date: reads what other replicas have made, makes the next keys when they are
/// due, and goes over to them when it is their turn.
/// </summary>
internal sealed partial class RotateKeys(
    IServiceProvider services, SigningKeys keys, AuthOptions auth, TimeProvider clock, ILogger<RotateKeys> logger)
    : PeriodicService(auth.KeyRotation.ReadInterval, clock, logger)
{
    /// <summary>A caller can make up unknown keys; each costs one reading of a few rows, and not more often.</summary>
    private static readonly TimeSpan MinPause = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _reading = new(1);
    private long? _lastReadForAToken;

    /// <summary>
    /// Reads the keys because a token names one that is not known here, unless that was done a moment ago.
    /// </summary>
    public async Task ReadForATokenAsync(CancellationToken cancellationToken)
    {
        await _reading.WaitAsync(cancellationToken);
        try
        {
            if (_lastReadForAToken is not { } last || Clock.GetElapsedTime(last) >= MinPause)
            {
                _lastReadForAToken = Clock.GetTimestamp();
                await using var scope = services.CreateAsyncScope();
                await keys.LoadAsync(scope.ServiceProvider.GetRequiredService<IdentityDb>(), cancellationToken);
            }
        }
        catch (OptionsValidationException unreadable)
        {
            Failed(Logger, unreadable); // No caller's fault. The keys of before stay.
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
    /// <remarks>Keys are made so long before they sign that after a round that failed a later one will do.</remarks>
    protected override Task WorkAsync(CancellationToken stoppingToken)
    {
        keys.TakeTurn(); // Also when the database is away.
        keys.TouchRing();
        return ReadAsync(stoppingToken);
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
                    Made(Logger, made.Use, made.Id, made.SignsFrom);
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
