using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace Identity.Service;

/// <summary>The section <c>Clients:chat</c>.</summary>
public sealed class ChatClientOptions
{
    /// <summary>The secret that Chat.Service shows to get tokens.</summary>
    public string Secret { get; set; } = "";
}

/// <summary>
/// The services that may ask for tokens of their own (client credentials, RFC 6749, 4.4) and about those of others.
/// </summary>
/// <param name="options">The client's secret.</param>
/// <param name="applications">OpenIddict's clients.</param>
internal sealed class ServiceClients(
    IOptions<ChatClientOptions> options, IOpenIddictApplicationManager applications)
{
    /// <summary>The id of Chat.Service, <c>sub</c> of its tokens.</summary>
    public const string ChatId = "chat";

    /// <summary>Creates the client, or brings it up to date. The caller holds the lock.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task EnsureAsync(CancellationToken cancellationToken)
    {
        var existing = await applications.FindByClientIdAsync(ChatId, cancellationToken);
        if (existing is null)
        {
            await applications.CreateAsync(Describe(), cancellationToken);
        }
        else if (!await applications.ValidateClientSecretAsync(existing, options.Value.Secret, cancellationToken)
            || !Describe().Permissions.SetEquals(await applications.GetPermissionsAsync(existing, cancellationToken)))
        {
            await applications.UpdateAsync(existing, Describe(), cancellationToken);
        }
    }

    private OpenIddictApplicationDescriptor Describe() => new()
    {
        ClientId = ChatId,
        ClientSecret = options.Value.Secret,
        ClientType = ClientTypes.Confidential,
        DisplayName = "Chat.Service",
        Permissions =
        {
            Permissions.Endpoints.Token,
            Permissions.Endpoints.Introspection,
            Permissions.Endpoints.Revocation,
            Permissions.GrantTypes.ClientCredentials,
            Permissions.Prefixes.Scope + Tokens.LedgerScope,
        },
    };
}

/// <summary>Registers the clients.</summary>
internal static class ServiceClientsExtensions
{
    private const int MinSecretLength = 16;

    /// <summary>Adds <see cref="ServiceClients"/>; a missing or short secret stops the service at start.</summary>
    /// <param name="builder">The service's builder.</param>
    public static void AddServiceClients(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<ChatClientOptions>().BindConfiguration("Clients:chat").ValidateOnStart()
            .Validate(
                chat => chat.Secret?.Length >= MinSecretLength,
                "Clients:chat:Secret is missing or shorter than 16 characters: set a long random one.");
        builder.Services.AddScoped<ServiceClients>();
    }
}
