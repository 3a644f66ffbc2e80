using System.Net;
using System.Net.Sockets;
using Duende.IdentityModel;
using Duende.IdentityModel.Client;

namespace Identity.Tests;

/// <summary>
/// A client library that nobody here wrote goes through what it knows: discovery with its own policy of what a server
/// may say, every grant, introspection and revocation.
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
        Assert.Equal($"{Authority}/connect/introspect", discovery.IntrospectionEndpoint);
        Assert.Equal($"{Authority}/connect/revocation", discovery.RevocationEndpoint);
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
    public async Task User_WithPasswordThenRefreshThenRevocation_IsServed()
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

        var access = await IntrospectAsync(discovery, refreshed.AccessToken!);
        Assert.True(access.IsActive);
        Assert.Equal("api", Assert.Single(access.Claims, claim => claim.Type == "scope").Value);
        Assert.True((await IntrospectAsync(discovery, refreshed.RefreshToken!)).IsActive);

        var revoked = await _client.RevokeTokenAsync(
            new()
            {
                Address = discovery.RevocationEndpoint,
                Token = refreshed.RefreshToken!,
                TokenTypeHint = OidcConstants.TokenTypes.RefreshToken,
            },
            CancellationToken).Soon();
        Assert.False(revoked.IsError, revoked.Error);
        Assert.False((await IntrospectAsync(discovery, refreshed.RefreshToken!)).IsActive);
        // The whole login has ended, with the token before, which would still be good in its leeway.
        foreach (var token in new[] { refreshed.RefreshToken!, issued.RefreshToken! })
        {
            var late = await RefreshAsync(discovery, token);
            Assert.Equal(OidcConstants.TokenErrors.InvalidGrant, late.Error);
        }

        Assert.False((await IntrospectAsync(discovery, refreshed.AccessToken!)).IsActive);
    }

    [Theory]
    [InlineData(ClientCredentialStyle.AuthorizationHeader)]
    [InlineData(ClientCredentialStyle.PostBody)]
    public async Task Client_WithItsSecret_GetsATokenAndIsToldAboutIt(ClientCredentialStyle style)
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
        var told = await IntrospectAsync(discovery, issued.AccessToken!, style);
        Assert.True(told.IsActive);
        Assert.Equal("chat", Assert.Single(told.Claims, claim => claim.Type == "sub").Value);
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
        Assert.False((await IntrospectAsync(discovery, "nonsense")).IsActive);
        var anonymous = await _client.IntrospectTokenAsync(
            new() { Address = discovery.IntrospectionEndpoint, Token = "nonsense" }, CancellationToken).Soon();
        Assert.True(anonymous.IsError);
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

    private async Task<TokenIntrospectionResponse> IntrospectAsync(
        DiscoveryDocumentResponse discovery,
        string token,
        ClientCredentialStyle style = ClientCredentialStyle.AuthorizationHeader)
    {
        var response = await _client.IntrospectTokenAsync(
            new()
            {
                Address = discovery.IntrospectionEndpoint,
                ClientId = "chat",
                ClientSecret = IdentityServer.ChatSecret,
                ClientCredentialStyle = style,
                Token = token,
            },
            CancellationToken).Soon();
        Assert.False(response.IsError, response.Error);
        return response;
    }
}
