using System.Net;
using System.Net.Sockets;
using Duende.IdentityModel;
using Duende.IdentityModel.Client;

namespace Identity.Tests;

/// <summary>
/// A client library that nobody here wrote goes through what it knows: discovery with its own policy of what a server
/// may say, every grant.
/// </summary>
public sealed class ConformanceTests : IDisposable
{
    private const string Authority = "http://identity";

    private readonly HttpClient _registration;
    private readonly HttpClient _client;

    public ConformanceTests(IdentityFixture identity)
    {
        _registration = identity.Lenient.CreateClient();
        var address = _registration.BaseAddress!;
        // By the name that the issuer has, as services call it.
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                await socket.ConnectAsync(address.Host, address.Port, cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        _client = new HttpClient(handler);
    }

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Discovery_ByItsStrictPolicy_IsTakenWithItsKeys()
    {
        var discovery = await DiscoverAsync();
        Assert.Equal("http://identity/", discovery.Issuer);
        Assert.Equal($"{Authority}/connect/token", discovery.TokenEndpoint);
        Assert.Equal(
            [
                OidcConstants.GrantTypes.ClientCredentials, OidcConstants.GrantTypes.Password, "refresh_token",
                "urn:aspirechat:api-key",
            ],
            discovery.GrantTypesSupported.Order());
        var key = Assert.Single(discovery.KeySet!.Keys);
        Assert.Equal(("RSA", "sig", "RS256"), (key.Kty, key.Use, key.Alg));
    }

    [Fact]
    public async Task User_WithPasswordThenRefresh_IsServed()
    {
        var discovery = await DiscoverAsync();
        var name = IdentityApi.NewName();
        using var registered = await _registration.RegisterAsync(name);
        var issued = await _client.RequestPasswordTokenAsync(
            new() { Address = discovery.TokenEndpoint, UserName = name, Password = IdentityApi.Password },
            CancellationToken).Soon();
        Assert.False(issued.IsError, issued.Error);
        Assert.Equal("Bearer", issued.TokenType);
        Assert.Equal("api", Jwt.Read(issued.AccessToken!).Claims.GetProperty("scope").GetString());

        var refreshed = await RefreshAsync(discovery, issued.RefreshToken!);
        Assert.False(refreshed.IsError, refreshed.Error);
        Assert.NotEqual(issued.RefreshToken, refreshed.RefreshToken);
    }

    [Theory]
    [InlineData(ClientCredentialStyle.AuthorizationHeader)]
    [InlineData(ClientCredentialStyle.PostBody)]
    public async Task Client_WithItsSecret_GetsAToken(ClientCredentialStyle style)
    {
        var discovery = await DiscoverAsync();
        var issued = await _client.RequestClientCredentialsTokenAsync(
            new()
            {
                Address = discovery.TokenEndpoint,
                ClientId = "chat",
                ClientSecret = IdentityServer.ChatSecret,
                ClientCredentialStyle = style,
                Scope = "ledger",
            },
            CancellationToken).Soon();
        Assert.False(issued.IsError, issued.Error);
        Assert.Equal("chat", Jwt.Read(issued.AccessToken!).Claims.GetProperty("sub").GetString());
    }

    [Fact]
    public async Task Error_OfEveryKind_IsOneItUnderstands()
    {
        var discovery = await DiscoverAsync();
        var password = await _client.RequestPasswordTokenAsync(
            new() { Address = discovery.TokenEndpoint, UserName = IdentityApi.NewName(), Password = "wrong password" },
            CancellationToken).Soon();
        Assert.Equal(OidcConstants.TokenErrors.InvalidGrant, password.Error);
        var client = await _client.RequestClientCredentialsTokenAsync(
            new() { Address = discovery.TokenEndpoint, ClientId = "chat", ClientSecret = "wrong secret" },
            CancellationToken).Soon();
        // RFC 6749, 5.2: 401 for a client, which the library takes as an answer in itself.
        Assert.Equal((true, HttpStatusCode.Unauthorized), (client.IsError, client.HttpStatusCode));
        var grant = await _client.RequestTokenAsync(
            new() { Address = discovery.TokenEndpoint, GrantType = "invented" }, CancellationToken).Soon();
        Assert.Equal(OidcConstants.TokenErrors.UnsupportedGrantType, grant.Error);
    }

    public void Dispose()
    {
        _client.Dispose();
        _registration.Dispose();
    }

    private async Task<DiscoveryDocumentResponse> DiscoverAsync()
    {
        var discovery = await _client.GetDiscoveryDocumentAsync(
            new DiscoveryDocumentRequest { Address = Authority, Policy = { RequireHttps = false } },
            CancellationToken).Soon();
        Assert.False(discovery.IsError, discovery.Error);
        return discovery;
    }

    private Task<TokenResponse> RefreshAsync(DiscoveryDocumentResponse discovery, string refresh) =>
        _client.RequestRefreshTokenAsync(
            new() { Address = discovery.TokenEndpoint, RefreshToken = refresh }, CancellationToken).Soon();
}
