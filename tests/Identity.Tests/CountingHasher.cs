using Identity.Service;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests;

/// <summary>The service's own hasher, and how often it worked: once or never, and how many times at once.</summary>
internal sealed class CountingHasher : IPasswordHasher<User>
{
    private readonly Lock _lock = new();
    private EqualWorkHasher? _inner;
    private int _running;

    /// <summary>Gets how many hashes were computed.</summary>
    public int Computed { get; private set; }

    /// <summary>Gets how many were at most computed at once.</summary>
    public int MostAtOnce { get; private set; }

    /// <summary>Gets or sets what each waits for when it is computed, on its own thread.</summary>
    public Action? Hold { get; set; }

    /// <summary>Puts it in place of the service's own.</summary>
    public void Use(IServiceCollection services) => services.AddSingleton<IPasswordHasher<User>>(provider =>
    {
        _inner = provider.GetRequiredService<EqualWorkHasher>();
        return this;
    });

    public string HashPassword(User user, string password) =>
        Count(() => _inner!.HashPassword(user, password));

    public PasswordVerificationResult VerifyHashedPassword(
        User user, string hashedPassword, string providedPassword) =>
        Count(() => _inner!.VerifyHashedPassword(user, hashedPassword, providedPassword));

    private T Count<T>(Func<T> compute)
    {
        lock (_lock)
        {
            Computed++;
            MostAtOnce = Math.Max(MostAtOnce, ++_running);
        }

        try
        {
            var result = compute();
            Hold?.Invoke();
            return result;
        }
        finally
        {
            lock (_lock)
            {
                _running--;
            }
        }
    }
}
