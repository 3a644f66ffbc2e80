using System.Net;
using System.Net.Http.Json;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Chat.Tests;

/// <summary>How Chat.Service comes by its own token.</summary>
public sealed class ServiceTokensTests : IDisposable
{
    private readonly TestIdentity _identity = new();
    private readonly TestClock _clock = new();

    public void Dispose() => _identity.Dispose();

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Token_ForManyCallersAtOnce_IsFetchedOnce()
    {
        using var tokens = Create();
        _identity.Gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var callers = Enumerable.Range(0, 50).Select(_ => tokens.GetAsync(CancellationToken)).ToList();
        _identity.Gate.SetResult();

        Assert.Equal("token-1", Assert.Single((await Task.WhenAll(callers).Soon()).Distinct()));
        Assert.Equal("token-1", await tokens.GetAsync(CancellationToken).Soon());
        Assert.Equal(
            "grant_type=client_credentials&client_id=chat&client_secret=secret&scope=ledger",
            Assert.Single(_identity.Forms));
    }

    [Fact]
    public async Task Token_AMinuteBeforeItEnds_IsFetchedAgain()
    {
        using var tokens = Create();
        await tokens.GetAsync(CancellationToken).Soon();
        _clock.Now += TestIdentity.Lifetime - TimeSpan.FromSeconds(61);
        Assert.Equal("token-1", await tokens.GetAsync(CancellationToken).Soon());
        _clock.Now += TimeSpan.FromSeconds(1);
        Assert.Equal("token-2", await tokens.GetAsync(CancellationToken).Soon());
    }

    [Fact]
    public async Task Token_ThatWasForgotten_IsFetchedAgain()
    {
        using var tokens = Create();
        tokens.Forget(await tokens.GetAsync(CancellationToken).Soon());
        Assert.Equal("token-2", await tokens.GetAsync(CancellationToken).Soon());
        tokens.Forget("token-1");
        Assert.Equal("token-2", await tokens.GetAsync(CancellationToken).Soon());
    }

    [Fact]
    public async Task Token_AfterAFetchThatFailed_IsFetchedAgain()
    {
        using var tokens = Create();
        _identity.Status = HttpStatusCode.InternalServerError;
        await Assert.ThrowsAsync<HttpRequestException>(() => tokens.GetAsync(CancellationToken).Soon());
        _identity.Status = HttpStatusCode.OK;
        Assert.Equal("token-2", await tokens.GetAsync(CancellationToken).Soon());
    }

    [Theory]
    [InlineData(HttpStatusCode.Unauthorized, "token-2")]
    [InlineData(HttpStatusCode.Forbidden, "token-1")]
    [InlineData(HttpStatusCode.Created, "token-1")]
    public async Task Token_AfterTheLedgersAnswer_IsForgottenWhenRefused(HttpStatusCode answer, string next)
    {
        using var tokens = Create();
        var ledger = new TestResource(answer);
        using var http = new HttpClient(new ClientCredentialsHandler(tokens) { InnerHandler = ledger });
        using var response = await http.GetAsync("http://ledger/", CancellationToken).Soon();
        Assert.Equal("Bearer token-1", ledger.Authorization);
        Assert.Equal(next, await tokens.GetAsync(CancellationToken).Soon());
    }

    private ClientToken Create() =>
        new(
            _identity,
            Options.Create(new ClientCredentials { ClientId = "chat", ClientSecret = "secret", Scope = "ledger" }),
            _clock);

    /// <summary>A clock that moves when it is told to.</summary>
    private sealed class TestClock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch;

        public override DateTimeOffset GetUtcNow() => Now;
    }

    /// <summary>Gives out numbered tokens and keeps what it was asked.</summary>
    private sealed class TestIdentity : HttpMessageHandler, IHttpClientFactory
    {
        public static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);

        public List<string> Forms { get; } = [];

        public TaskCompletionSource? Gate { get; set; }

        public HttpStatusCode Status { get; set; } = HttpStatusCode.OK;

        public HttpClient CreateClient(string name)
        {
            Assert.Equal(ClientToken.IdentityClient, name);
            return new HttpClient(this, disposeHandler: false) { BaseAddress = new("http://identity") };
        }

        protected override async Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Assert.Equal("http://identity/connect/token", request.RequestUri!.ToString());
            int number;
            lock (Forms)
            {
                Forms.Add(request.Content!.ReadAsStringAsync(cancellationToken).GetAwaiter().GetResult());
                number = Forms.Count;
            }

            await (Gate?.Task ?? Task.CompletedTask);
            return new HttpResponseMessage(Status)
            {
                Content = JsonContent.Create(
                    new { access_token = $"token-{number}", expires_in = (int)Lifetime.TotalSeconds }),
            };
        }
    }

    /// <summary>A service that needs the token.</summary>
    private sealed class TestResource(HttpStatusCode answer) : HttpMessageHandler
    {
        public string? Authorization { get; private set; }

        protected override Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Authorization = request.Headers.Authorization?.ToString();
            return Task.FromResult(new HttpResponseMessage(answer));
        }
    }
}
