using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Identity.Tests;

/// <summary>One instance of the real Identity.Service, with its own Program, on a random port.</summary>
public sealed class IdentityServer : WebApplicationFactory<Program>
{
    /// <summary>The secret of the client <c>chat</c>.</summary>
    public const string ChatSecret = "a secret of the tests";

    /// <summary>The secret of the client <c>ledger</c>.</summary>
    public const string LedgerSecret = "another secret of the tests";

    /// <summary>The secret of the client <c>gateway</c>.</summary>
    public const string GatewaySecret = "a third secret of the tests";

    /// <summary>What encrypts the key ring.</summary>
    public const string KeySecret = "a secret of the tests, of 32 characters at least";

    /// <summary>The name of the first admin.</summary>
    public const string AdminName = "admin";

    /// <summary>The password of the first admin.</summary>
    public const string AdminPassword = "a password of the tests";

    private readonly Dictionary<string, string> _settings;
    private readonly TimeProvider? _clock;
    private readonly Action<IServiceCollection>? _change;

    /// <param name="connectionString">Its database.</param>
    /// <param name="settings">Settings besides, such as <c>Auth:RefreshReuseLeeway</c>.</param>
    /// <param name="clock">Its time; the system's when null.</param>
    /// <param name="inMemory">Whether it is called in memory and not over HTTP.</param>
    /// <param name="change">Puts a test's own in place of a service.</param>
    public IdentityServer(
        string connectionString,
        Dictionary<string, string>? settings = null,
        TimeProvider? clock = null,
        bool inMemory = false,
        Action<IServiceCollection>? change = null)
    {
        _settings = new()
        {
            ["ConnectionStrings:identitydb"] = connectionString,
            ["Clients:chat:Secret"] = ChatSecret,
            ["Clients:ledger:Secret"] = LedgerSecret,
            ["Clients:gateway:Secret"] = GatewaySecret,
            // All tests together register from one address.
            ["Registration:PerAddressAndDay"] = "1000000",
            ["Registration:CreditsPerAddressAndDay"] = "1000000000000",
            ["Auth:KeyProtectionSecret"] = KeySecret,
            ["Admin:Username"] = AdminName,
            ["Admin:Password"] = AdminPassword,
            // The least that is allowed: hashing is slow on purpose, and not what is tested here.
            ["Auth:PasswordIterations"] = "10000",
        };
        foreach (var (name, value) in settings ?? [])
        {
            _settings[name] = value;
        }

        (_clock, _change) = (clock, change);
        if (!inMemory)
        {
            UseKestrel(0);
        }
    }

    /// <summary>Starts it. Program runs on a thread of its own, so that several can start at once.</summary>
    public Task StartAsync() => Task.Run(StartServer).Soon();

    /// <summary>A client whose calls come from an address, as the gateway says.</summary>
    internal HttpClient CreateClientAt(string address)
    {
        var client = CreateClient();
        client.DefaultRequestHeaders.Add("X-Forwarded-For", address);
        return client;
    }

    protected override void ConfigureWebHost(IWebHostBuilder builder)
    {
        foreach (var (name, value) in _settings)
        {
            builder.UseSetting(name, value);
        }

        builder.ConfigureLogging(logging => logging.ClearProviders());
        builder.ConfigureTestServices(services =>
        {
            if (_clock is not null)
            {
                services.AddSingleton(_clock);
            }

            _change?.Invoke(services);
        });
    }
}
