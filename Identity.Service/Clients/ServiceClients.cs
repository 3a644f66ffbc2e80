using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace Identity.Service;

/// <summary>The section <c>Clients</c>.</summary>
public sealed class ServiceClientsOptions
{
    /// <summary>Chat.Service.</summary>
    public ServiceClientOptions Chat { get; set; } = new();

    /// <summary>Ledger.Service.</summary>
    public ServiceClientOptions Ledger { get; set; } = new();

    /// <summary>The gateway.</summary>
    public ServiceClientOptions Gateway { get; set; } = new();
}

/// <summary>A service that asks for tokens.</summary>
public sealed class ServiceClientOptions
{
    private const int MinSecretLength = 16;

    /// <summary>The secret that it shows to get tokens.</summary>
    public string Secret { get; set; } = "";

    /// <summary>Whether the secret is long enough.</summary>
    internal bool IsValid => Secret?.Length >= MinSecretLength;
}

/// <summary>
/// The services that may ask for tokens of their own (client credentials, RFC 6749, 4.4).
/// </summary>
/// <param name="options">The clients' secrets.</param>
/// <param name="applications">OpenIddict's clients.</param>
internal sealed class ServiceClients(
    IOptions<ServiceClientsOptions> options, IOpenIddictApplicationManager applications)
{
    /// <summary>Creates the clients, or brings them up to date. The caller holds the lock.</summary>
    public async Task EnsureAsync(CancellationToken cancellationToken)
    {
        await EnsureAsync(
            Describe("chat", "Chat.Service", options.Value.Chat.Secret, Tokens.LedgerScope), cancellationToken);
        await EnsureAsync(
            Describe("ledger", "Ledger.Service", options.Value.Ledger.Secret, Tokens.UsersScope), cancellationToken);
        await EnsureAsync(
            Describe("gateway", "Gateway", options.Value.Gateway.Secret, Tokens.SessionsScope), cancellationToken);
    }

    private async Task EnsureAsync(OpenIddictApplicationDescriptor client, CancellationToken cancellationToken)
    {
        var existing = await applications.FindByClientIdAsync(client.ClientId!, cancellationToken);
        if (existing is null)
        {
            await applications.CreateAsync(client, cancellationToken);
        }
        else if (!await applications.ValidateClientSecretAsync(existing, client.ClientSecret!, cancellationToken)
            || !client.Permissions.SetEquals(await applications.GetPermissionsAsync(existing, cancellationToken)))
        {
            await applications.UpdateAsync(existing, client, cancellationToken);
        }
    }

    private static OpenIddictApplicationDescriptor Describe(
        string id, string name, string secret, string scope)
    {
        var client = new OpenIddictApplicationDescriptor
        {
            ClientId = id,
            ClientSecret = secret,
            ClientType = ClientTypes.Confidential,
            DisplayName = name,
        };
        client.Permissions.UnionWith(
        [
            Permissions.Endpoints.Token, Permissions.GrantTypes.ClientCredentials,
            Permissions.Prefixes.Scope + scope,
        ]);
        return client;
    }
}

/// <summary>Registers the clients.</summary>
internal static class ServiceClientsExtensions
{
    /// <summary>Adds <see cref="ServiceClients"/>; a missing or short secret stops the service at start.</summary>
    public static void AddServiceClients(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<ServiceClientsOptions>().BindConfiguration("Clients").ValidateOnStart()
            .Validate(clients => clients.Chat.IsValid, Rule("chat"))
            .Validate(clients => clients.Ledger.IsValid, Rule("ledger"))
            .Validate(clients => clients.Gateway.IsValid, Rule("gateway"));
        builder.Services.AddScoped<ServiceClients>();

        static string Rule(string id) =>
            $"Clients:{id}:Secret is missing or shorter than 16 characters: set a long random one.";
    }
}
