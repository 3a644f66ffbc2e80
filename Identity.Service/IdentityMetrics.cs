using System.Diagnostics.Metrics;

namespace Identity.Service;

/// <summary>What happens to users and tokens, in numbers. Names are lower case with dots, units as in UCUM.</summary>
internal sealed class IdentityMetrics
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "Identity.Service";

    private readonly Meter _meter;
    private readonly Counter<long> _logins;
    private readonly Counter<long> _failures;
    private readonly Counter<long> _lockouts;
    private readonly Counter<long> _refreshes;
    private readonly Counter<long> _replays;
    private readonly Counter<long> _reuses;
    private readonly Histogram<double> _hashDuration;

    /// <summary>Makes the instruments.</summary>
    /// <param name="meters">Makes the meter.</param>
    public IdentityMetrics(IMeterFactory meters)
    {
        _meter = meters.Create(MeterName);
        _logins = _meter.CreateCounter<long>("identity.logins", "{login}", "Logins that gave tokens.");
        _failures = _meter.CreateCounter<long>(
            "identity.login.failures", "{login}",
            "Passwords that were not accepted, by reason: wrong_password, locked, busy.");
        _lockouts = _meter.CreateCounter<long>(
            "identity.lockouts", "{lockout}", "Locks, by scope: account_at_address, account, address.");
        _refreshes = _meter.CreateCounter<long>(
            "identity.refreshes", "{refresh}", "Uses of refresh tokens, by result: rotated, refused.");
        _replays = _meter.CreateCounter<long>(
            "identity.replays", "{refresh}", "Refresh tokens used again after their time: a session was revoked.");
        _reuses = _meter.CreateCounter<long>(
            "identity.reuses", "{refresh}", "Refresh tokens used again within the leeway.");
        _hashDuration = _meter.CreateHistogram<double>(
            "identity.password.hash.duration", "s", "How long a password's hash took, without the wait for a turn.");
    }

    /// <summary>Counts a login.</summary>
    public void LoggedIn() => _logins.Add(1);

    /// <summary>Counts a password that was not accepted.</summary>
    /// <param name="reason">Why.</param>
    public void LoginFailed(string reason) => _failures.Add(1, new KeyValuePair<string, object?>("reason", reason));

    /// <summary>Counts a lock.</summary>
    /// <param name="scope">What is locked.</param>
    public void LockedOut(string scope) => _lockouts.Add(1, new KeyValuePair<string, object?>("scope", scope));

    /// <summary>Counts a use of a refresh token.</summary>
    /// <param name="isRotated">Whether it gave a new one.</param>
    public void Refreshed(bool isRotated) =>
        _refreshes.Add(1, new KeyValuePair<string, object?>("result", isRotated ? "rotated" : "refused"));

    /// <summary>Counts a replay.</summary>
    public void Replayed() => _replays.Add(1);

    /// <summary>Counts a second use within the leeway.</summary>
    public void Reused() => _reuses.Add(1);

    /// <summary>Takes the time of a hash.</summary>
    /// <param name="duration">How long it took.</param>
    public void Hashed(TimeSpan duration) => _hashDuration.Record(duration.TotalSeconds);

    /// <summary>Shows how many wait for a turn at hashing.</summary>
    /// <param name="queued">Counts them.</param>
    public void ShowQueue(Func<long> queued) => _meter.CreateObservableGauge(
        "identity.password.hash.queue", queued, "{request}", "Requests that wait for a turn at hashing.");
}
