using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using Identity.Service;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Identity.Tests;

/// <summary>What happens to users is seen in the log, by names that stay, and in numbers.</summary>
public sealed class AuditTests(IdentityFixture identity)
{
    [Fact]
    public async Task Events_OfAUsersLife_AreLoggedByNameAndCounted()
    {
        using var seen = new Seen();
        var clock = new StoppedClock();
        await using var service = new IdentityServer(
            identity.ConnectionString,
            new() { ["Auth:RefreshReuseLeeway"] = "00:00:10", ["Auth:PasswordIterations"] = "11000" },
            clock,
            change: services => services.AddSingleton<ILoggerProvider>(seen));
        await service.StartAsync();
        seen.Listen(service.Services.GetRequiredService<IMeterFactory>());
        using var client = service.CreateClientAt(IdentityApi.NewAddress());
        using var before = identity.Lenient.CreateClient();
        var name = await before.NewNameAsync();
        using var registered = await client.RegisterAsync(IdentityApi.NewName());

        var tokens = await client.LogInAsync(name);
        var key = await client.NewKeyAsync(tokens.Access, "a key's name");
        using var limited = await client.CallAsync(
            HttpMethod.Patch, $"/api/keys/{key.Id}", tokens.Access, new { limit = 7 });
        using var revoked = await client.CallAsync(HttpMethod.Delete, $"/api/keys/{key.Id}", tokens.Access);
        using var rotated = await client.RefreshAsync(tokens.Refresh);
        using var reused = await client.RefreshAsync(tokens.Refresh);
        Assert.Equal(HttpStatusCode.OK, reused.StatusCode);
        clock.Advance(TimeSpan.FromSeconds(10));
        using var replayed = await client.RefreshAsync(tokens.Refresh);
        Assert.Equal(HttpStatusCode.Unauthorized, replayed.StatusCode);
        using var changed = await client.CallAsync(
            HttpMethod.Post, "/api/password", tokens.Access,
            new { old = IdentityApi.Password, @new = "another password" });
        Assert.Equal(HttpStatusCode.NoContent, changed.StatusCode);
        for (var n = 0; n < 6; n++)
        {
            using var wrong = await client.TryLogInAsync(name, "hunter2 typed");
        }

        using var unknown = await client.TryLogInAsync("a-password-as-name");
        Assert.Equal(
            [
                ("UserRegistered", 1), ("LoginSucceeded", 1), ("PasswordRehashed", 1), ("TokenRefreshed", 2),
                ("TokenReused", 1), ("TokenReplayed", 1), ("TokenRefreshRefused", 1), ("PasswordChanged", 1),
                ("LoginFailed", 5),
                ("LockedOut", 1), ("LoginLocked", 1), ("LoginFailedUnknownUser", 1),
                ("ApiKeyCreated", 1), ("ApiKeyChanged", 1), ("ApiKeyRevoked", 1),
            ],
            seen.Events.GroupBy(each => each.Name).Select(each => (each.Key, each.Count())), new Unordered());
        Assert.DoesNotContain(seen.Events, each => each.Text.Contains("hunter2", StringComparison.Ordinal));
        Assert.DoesNotContain(seen.Events, each => each.Text.Contains(key.Key[..9], StringComparison.Ordinal));
        Assert.DoesNotContain(seen.Events, each => each.Text.Contains("as-name", StringComparison.Ordinal));

        Assert.Equal(1, seen.Sum("identity.logins", ""));
        Assert.Equal(6, seen.Sum("identity.login.failures", "reason=wrong_password"));
        Assert.Equal(1, seen.Sum("identity.login.failures", "reason=locked"));
        Assert.Equal(1, seen.Sum("identity.lockouts", "scope=account_at_address"));
        Assert.Equal(2, seen.Sum("identity.refreshes", "result=rotated"));
        Assert.Equal(1, seen.Sum("identity.reuses", ""));
        Assert.Equal(1, seen.Sum("identity.refreshes", "result=refused"));
        Assert.Equal(1, seen.Sum("identity.replays", ""));
        // Registered, logged in and hashed anew, changed (old and new), five wrong, one of nobody.
        Assert.Equal(11, seen.Count("identity.password.hash.duration"));
        seen.Observe();
        Assert.Equal(1, seen.Count("identity.password.hash.queue"));
    }

    private sealed class Unordered : IEqualityComparer<IEnumerable<(string, int)>>
    {
        public bool Equals(IEnumerable<(string, int)>? x, IEnumerable<(string, int)>? y) =>
            x!.Order().SequenceEqual(y!.Order());

        public int GetHashCode(IEnumerable<(string, int)> obj) => 0;
    }

    /// <summary>The security log and the meter of one instance.</summary>
    private sealed class Seen : ILoggerProvider, ILogger
    {
        private readonly ConcurrentBag<(string Instrument, string Tags, double Value)> _measurements = [];
        private readonly MeterListener _listener = new();

        public ConcurrentBag<(string Name, string Text)> Events { get; } = [];

        public void Listen(IMeterFactory meters)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == IdentityMetrics.MeterName && instrument.Meter.Scope == meters)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
            _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
            _listener.Start();
        }

        public double Sum(string instrument, string tags) =>
            _measurements.Where(each => each.Instrument == instrument && each.Tags == tags).Sum(each => each.Value);

        public int Count(string instrument) => _measurements.Count(each => each.Instrument == instrument);

        public void Observe() => _listener.RecordObservableInstruments();

        public ILogger CreateLogger(string categoryName) =>
            categoryName == typeof(SecurityLog).FullName ? this : NullLogger.Instance;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => Events.Add((eventId.Name!, formatter(state, exception)));

        public bool IsEnabled(LogLevel logLevel) => true;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public void Dispose() => _listener.Dispose();

        private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
            _measurements.Add((
                instrument.Name,
                string.Join(',', tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}").Order()),
                value));
    }
}
