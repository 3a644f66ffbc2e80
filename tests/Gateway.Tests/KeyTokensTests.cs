using System.Net;
using System.Net.Http.Json;
using Gateway.Keys;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Gateway.Tests;

/// <summary>Answers about API keys are known for 5 seconds, each asked for once, and not too many of them.</summary>
public sealed class KeyTokensTests : IDisposable
{
    private readonly StoppedClock _clock = new();
    private readonly Identity _identity = new();
    private readonly ServiceProvider _services;
    private readonly KeyTokens _tokens;
    private readonly string _key = ApiKeys.Create();

    public KeyTokensTests()
    {
        _services = new ServiceCollection().AddSingleton(new KeyExchange(new HttpClient(_identity)
        {
            BaseAddress = new("http://identity"),
        })).BuildServiceProvider();
        _tokens = new KeyTokens(_services, _clock);
    }

    [Fact]
    public async Task Key_Revoked_IsOfNoUseAfter5Seconds()
    {
        Assert.Equal("token 1", await AskAsync());
        _identity.Answer = null;
        _clock.Advance(KeyTokens.Lifetime - TimeSpan.FromMilliseconds(1));
        Assert.Equal("token 1", await AskAsync());
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Null(await AskAsync());
        Assert.Equal(TimeSpan.FromSeconds(5), KeyTokens.Lifetime);
    }

    /// <summary>What Identity.Service found may be as old as the question, so the seconds count from then on.</summary>
    [Fact]
    public async Task Key_RevokedWhileTheAnswerIsUnderWay_IsOfNoUse5SecondsAfterTheQuestion()
    {
        _identity.Pause = new();
        var asked = AskAsync();
        await _identity.Asked.Task.Soon();
        _clock.Advance(TimeSpan.FromSeconds(4));
        _identity.Pause.SetResult();
        Assert.Equal("token 1", await asked);
        _clock.Advance(TimeSpan.FromSeconds(1));
        _identity.Answer = null;
        Assert.Null(await AskAsync());
    }

    [Fact]
    public async Task Key_SentInManyRequestsAtOnce_IsExchangedOnce()
    {
        _identity.Pause = new();
        var asked = Enumerable.Range(0, 50).Select(_ => AskAsync()).ToList();
        await _identity.Asked.Task.Soon();
        _identity.Pause.SetResult();
        Assert.All(await Task.WhenAll(asked).Soon(), token => Assert.Equal("token 1", token));
        Assert.Equal(1, _identity.Questions);
    }

    [Fact]
    public async Task Key_ThatIsUnknown_IsAskedForOnceIn5Seconds()
    {
        _identity.Answer = null;
        Assert.Null(await AskAsync());
        Assert.Null(await AskAsync());
        Assert.Equal(1, _identity.Questions);
        _clock.Advance(KeyTokens.Lifetime);
        _identity.Answer = HttpStatusCode.OK;
        Assert.Equal("token 2", await AskAsync());
    }

    [Theory]
    [InlineData(HttpStatusCode.InternalServerError)]
    [InlineData(HttpStatusCode.ServiceUnavailable)]
    [InlineData(HttpStatusCode.Unauthorized)]
    public async Task Failure_OfIdentity_SaysNothingOfTheKeyAndIsNotKept(HttpStatusCode failure)
    {
        _identity.Answer = failure;
        await Assert.ThrowsAsync<HttpRequestException>(AskAsync);
        _identity.Answer = HttpStatusCode.OK;
        Assert.Equal("token 2", await AskAsync());
    }

    [Fact]
    public async Task Caller_WhoLeaves_DoesNotTakeTheAnswerAlong()
    {
        _identity.Pause = new();
        using var caller = new CancellationTokenSource();
        var left = _tokens.GetAsync(_key, ask => ask(), caller.Token);
        var stays = AskAsync();
        await _identity.Asked.Task.Soon();
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left.Soon());
        _identity.Pause.SetResult();
        Assert.Equal("token 1", await stays);
    }

    [Fact]
    public async Task Keys_MoreThanTheLimit_AreAnsweredAndNotAllKept()
    {
        for (var n = 0; n < KeyTokens.MaxKeys + 100; n++)
        {
            Assert.NotNull(await _tokens.GetAsync(
                ApiKeys.Create(), ask => ask(), TestContext.Current.CancellationToken).Soon());
            Assert.InRange(_tokens.Count, 0, KeyTokens.MaxKeys);
        }

        Assert.InRange(_tokens.Count, KeyTokens.MaxKeys / 2, KeyTokens.MaxKeys);
        _clock.Advance(KeyTokens.Lifetime);
        Assert.NotNull(await AskAsync());
    }

    public static TheoryData<string> NoKeys() =>
    [
        "", "ac_", $"ac_{new string('A', 42)}", $"ac_{new string('A', 44)}", $"ac_{new string('+', 43)}",
        $"ac_{new string('ä', 43)}", $"AC_{new string('A', 43)}", $"ac_{new string('A', 43)},ac_", "ac_' OR 1=1 --",
    ];

    [Theory]
    [MemberData(nameof(NoKeys))]
    public async Task Text_ThatCannotBeAKey_IsNotAskedFor(string text)
    {
        Assert.Null(await _tokens.GetAsync(text, ask => ask(), TestContext.Current.CancellationToken).Soon());
        Assert.Equal(0, _identity.Questions);
    }

    public void Dispose()
    {
        _tokens.Dispose();
        _services.Dispose();
        _identity.Dispose();
    }

    private Task<string?> AskAsync() =>
        _tokens.GetAsync(_key, ask => ask(), TestContext.Current.CancellationToken).Soon();

    /// <summary>Identity.Service, as the gateway sees it: numbered tokens, or what a test wants.</summary>
    private sealed class Identity : HttpMessageHandler
    {
        private int _questions;

        public int Questions => _questions;

        /// <summary>The status of the answer; null when the key is unknown.</summary>
        public HttpStatusCode? Answer { get; set; } = HttpStatusCode.OK;

        public TaskCompletionSource Asked { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Holds answers back until it is set.</summary>
        public TaskCompletionSource? Pause { get; set; }

        protected override async Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var number = Interlocked.Increment(ref _questions);
            var answer = Answer;
            Asked.TrySetResult();
            await (Pause?.Task ?? Task.CompletedTask);
            return new HttpResponseMessage(answer ?? HttpStatusCode.BadRequest)
            {
                Content = answer is HttpStatusCode.OK
                    ? JsonContent.Create(new { access_token = $"token {number}" })
                    : JsonContent.Create(new { error = "invalid_grant" }),
            };
        }
    }
}
