using System.Diagnostics;
using System.Net;
using Chat.Service.Models;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.AI;

namespace Chat.Tests;

/// <summary>
/// A model behind an endpoint that errs, stalls, hangs up and limits rates: what is tried again, what is passed on to
/// another model, and what fails.
/// </summary>
public sealed class UpstreamTests
{
    private const int MaxLength = 1000;

    // Long enough for a busy machine to connect in.
    private static readonly string[] Impatient = ["FirstByteTimeout=00:00:02"];

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public static TheoryData<bool> Ways() => [true, false];

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Model_AtAnEndpoint_AnswersWithItsOwnFigures(bool isStreamed)
    {
        await using var upstream = await FakeUpstream.StartAsync();
        using var host = ModelHost.Create(ModelHost.At("one", upstream, "Model=real-name"));
        var options = new ChatOptions { Temperature = 0.5f, MaxOutputTokens = 9, StopSequences = ["end"], Seed = 3 };

        var reply = await AskAsync(host, "one", isStreamed, options);
        Assert.Equal((FakeUpstream.Text, "length"), (reply.Text, reply.FinishReason));
        Assert.Equal(new ModelUsage(11, 0, 7), reply.Usage);
        var asked = Assert.Single(upstream.Asked);
        Assert.Equal("Bearer sk-secret-of-one", asked.Authorization);
        Assert.Equal("real-name", (string?)asked.Body["model"]);
        Assert.True((bool)asked.Body["stream"]!, "Also a whole answer is asked for in pieces.");
        Assert.Equal("hello", (string?)asked.Body["messages"]![0]!["content"]);
        Assert.Equal(0.5, (double)asked.Body["temperature"]!);
        Assert.Equal(9, (int)asked.Body["max_completion_tokens"]!);
        Assert.Equal(3, (int)asked.Body["seed"]!);
        Assert.Equal("end", (string?)asked.Body["stop"]![0]);
    }

    [Theory]
    [InlineData(true, HttpStatusCode.InternalServerError)]
    [InlineData(false, HttpStatusCode.InternalServerError)]
    [InlineData(true, HttpStatusCode.ServiceUnavailable)]
    [InlineData(true, HttpStatusCode.RequestTimeout)]
    [InlineData(true, HttpStatusCode.TooManyRequests)]
    public async Task Request_ThatFailsInPassing_IsSentAgain(bool isStreamed, HttpStatusCode status)
    {
        await using var upstream = await FakeUpstream.StartAsync(
            FakeUpstream.Fail(status), FakeUpstream.HangUp, FakeUpstream.HangUpAfterTheHeaders);
        using var host = ModelHost.Create(ModelHost.At("one", upstream, "Retries=3"));
        Assert.Equal(FakeUpstream.Text, (await AskAsync(host, "one", isStreamed)).Text);
        Assert.Equal(4, upstream.Asked.Count);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Request_ThatKeepsFailing_IsSentAsOftenAsIsSaid(bool isStreamed)
    {
        await using var upstream = await FakeUpstream.StartAsync(
            [.. Enumerable.Repeat(FakeUpstream.Fail(), 4)]);
        using var host = ModelHost.Create(ModelHost.At("one", upstream, "Retries=2"));
        await Assert.ThrowsAsync<ModelException>(() => AskAsync(host, "one", isStreamed));
        Assert.Equal(3, upstream.Asked.Count);
    }

    [Theory]
    [InlineData(HttpStatusCode.BadRequest)]
    [InlineData(HttpStatusCode.Unauthorized)]
    [InlineData(HttpStatusCode.NotFound)]
    public async Task Request_ThatIsRefused_IsNotSentAgain(HttpStatusCode status)
    {
        await using var upstream = await FakeUpstream.StartAsync(FakeUpstream.Fail(status));
        using var host = ModelHost.Create(ModelHost.At("one", upstream, "Retries=2"));
        await Assert.ThrowsAsync<ModelException>(() => AskAsync(host, "one", isStreamed: true));
        Assert.Single(upstream.Asked);
    }

    [Fact]
    public async Task Request_ThatIsLimited_WaitsAsLongAsTheEndpointSays()
    {
        await using var upstream = await FakeUpstream.StartAsync(
            FakeUpstream.Fail(HttpStatusCode.TooManyRequests, retryAfter: "2"));
        using var host = ModelHost.Create(ModelHost.At("one", upstream));
        Assert.Equal(FakeUpstream.Text, (await AskAsync(host, "one", isStreamed: true)).Text);
        Assert.Equal(2, upstream.Asked.Count);
        var waited = Stopwatch.GetElapsedTime(upstream.Asked[0].At, upstream.Asked[1].At);
        Assert.True(waited > TimeSpan.FromSeconds(1.9), $"It waited {waited} and was told 2 s.");
    }

    [Fact]
    public async Task Request_ThatIsLimitedForLongerThanTheReplyMayTake_IsNotSentAgain()
    {
        await using var upstream = await FakeUpstream.StartAsync(
            FakeUpstream.Fail(HttpStatusCode.TooManyRequests, retryAfter: "600"));
        using var host = ModelHost.Create(ModelHost.At("one", upstream, "Timeout=00:00:50"));
        await Assert.ThrowsAsync<ModelException>(() => AskAsync(host, "one", isStreamed: true));
        Assert.Single(upstream.Asked);
    }

    [Fact]
    public async Task Stream_ThatHasBegun_IsNeitherSentAgainNorPassedOn()
    {
        var sink = new Pieces();
        await using var upstream = await FakeUpstream.StartAsync(FakeUpstream.Cut(sink.TwoWords));
        await using var other = await FakeUpstream.StartAsync();
        using var host = ModelHost.Create(
        [
            "Chat:DefaultModel=one",
            .. ModelHost.At("one", upstream, "Fallbacks:0=two"), .. ModelHost.At("two", other),
        ]);
        await Assert.ThrowsAsync<ModelException>(() => AskAsync(host, "one", sink));
        Assert.Equal("two words", sink.Text);
        Assert.Single(upstream.Asked);
        Assert.Empty(other.Asked);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Answer_ThatEndsWithoutAReason_HasFailed(bool isStreamed)
    {
        await using var upstream = await FakeUpstream.StartAsync(FakeUpstream.EndWithoutAReason);
        using var host = ModelHost.Create(ModelHost.At("one", upstream));
        await Assert.ThrowsAsync<InvalidDataException>(() => AskAsync(host, "one", isStreamed));
        Assert.Single(upstream.Asked);
    }

    public static TheoryData<string> Failures() =>
    [
        "500", "401", "429", "hang up", "hang up after the headers", "stall", "stall after the headers",
        "stall behind a comment", "empty", "not a stream", "down",
    ];

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task Model_ThatFailsBeforeItsFirstPiece_IsFollowedByTheNextOnes(string failure)
    {
        await using var upstream = await FakeUpstream.StartAsync(failure switch
        {
            "500" => FakeUpstream.Fail(),
            "401" => FakeUpstream.Fail(HttpStatusCode.Unauthorized),
            "429" => FakeUpstream.Fail(HttpStatusCode.TooManyRequests, retryAfter: "3600"),
            "hang up" => FakeUpstream.HangUp,
            "hang up after the headers" => FakeUpstream.HangUpAfterTheHeaders,
            "empty" => FakeUpstream.AnswerWithoutText,
            "not a stream" => FakeUpstream.AnswerInOnePiece,
            _ => Stalling(failure),
        });
        await using var third = await FakeUpstream.StartAsync();
        string[] quick = ["Retries=0", .. failure.StartsWith("stall", StringComparison.Ordinal) ? Impatient : []];
        using var host = ModelHost.Create(
        [
            "Chat:DefaultModel=one",
            .. ModelHost.At(
                "one", failure == "down" ? "http://127.0.0.1:1/v1" : upstream.Endpoint,
                [.. quick, "Fallbacks:0=two", "Fallbacks:1=three", "Cost=7"]),
            .. ModelHost.At("two", "http://127.0.0.1:1/v1", quick), // Nothing listens there.
            .. ModelHost.At("three", third, "Cost=9"),
        ]);
        var model = host.Models.Find("one")!;
        Assert.Equal(("one", (long?)7), (model.Name, model.Price.Request));
        Assert.Equal(FakeUpstream.Text, (await AskAsync(host, "one", isStreamed: false)).Text);
        Assert.Equal(failure == "down" ? 0 : 1, upstream.Asked.Count);
        Assert.Single(third.Asked);
    }

    [Fact]
    public async Task Model_WhoseCallerHasGone_IsNotFollowedByAnother()
    {
        await using var upstream = await FakeUpstream.StartAsync(FakeUpstream.StallBefore);
        await using var other = await FakeUpstream.StartAsync();
        using var host = ModelHost.Create(
        [
            "Chat:DefaultModel=one",
            .. ModelHost.At("one", upstream, "Fallbacks:0=two"), .. ModelHost.At("two", other),
        ]);
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(CancellationToken);
        var call = Ask(host, "one").AskAsync(new Pieces(), MaxLength, caller.Token);
        await UntilAsync(() => upstream.Asked.Count == 1);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.Soon());
        Assert.Empty(other.Asked);
    }

    [Theory]
    [InlineData("stall")]
    [InlineData("stall after the headers")]
    [InlineData("stall behind a comment")]
    public async Task Model_WithoutAFirstPieceInTime_TimesOut(string stall)
    {
        await using var upstream = await FakeUpstream.StartAsync(Stalling(stall));
        using var host = ModelHost.Create(ModelHost.At("one", upstream, Impatient));
        await AssertTimesOutAsync(host, isStreamed: true);
        Assert.Single(upstream.Asked);
    }

    [Fact]
    public async Task Endpoint_ThatKeepsFailing_IsLeftAloneForAWhile()
    {
        await using var upstream = await FakeUpstream.StartAsync([.. Enumerable.Repeat(FakeUpstream.Fail(), 2)]);
        using var host = ModelHost.Create(
            ModelHost.At("one", upstream, "Retries=0", "BreakAfter=2", "BreakFor=00:30:00"));
        for (var n = 0; n < 5; n++)
        {
            await Assert.ThrowsAsync<ModelException>(() => AskAsync(host, "one", isStreamed: true));
        }

        Assert.Equal(2, upstream.Asked.Count);
    }

    [Theory]
    [InlineData("stall", false)]
    [InlineData("stall after the headers", false)]
    [InlineData("stall after the headers", true)]
    public async Task Endpoint_ThatStalls_IsLeftAloneForAWhile(string stall, bool isStreamed)
    {
        await using var upstream = await FakeUpstream.StartAsync([.. Enumerable.Repeat(Stalling(stall), 5)]);
        using var host = ModelHost.Create(ModelHost.At(
            "one", upstream, ["Retries=2", "BreakAfter=2", "BreakFor=00:30:00", .. Impatient]));
        await AssertTimesOutAsync(host, isStreamed);
        await AssertTimesOutAsync(host, isStreamed);
        await Assert.ThrowsAsync<ModelException>(() => AskAsync(host, "one", isStreamed));
        Assert.Equal(2, upstream.Asked.Count);
    }

    [Fact]
    public async Task Endpoint_ThatWasLeftAlone_IsAskedAgainLater()
    {
        await using var upstream = await FakeUpstream.StartAsync([.. Enumerable.Repeat(FakeUpstream.Fail(), 2)]);
        using var host = ModelHost.Create(
            ModelHost.At("one", upstream, "Retries=0", "BreakAfter=2", "BreakFor=00:00:00.500"));
        await Assert.ThrowsAsync<ModelException>(() => AskAsync(host, "one", isStreamed: true));
        await Assert.ThrowsAsync<ModelException>(() => AskAsync(host, "one", isStreamed: true));
        await UntilAsync(() => AnswersAsync(host));
        Assert.Equal(3, upstream.Asked.Count);
    }

    [Fact]
    public async Task Endpoint_ThatLimitsRates_IsNotLeftAlone()
    {
        await using var upstream = await FakeUpstream.StartAsync(
            [.. Enumerable.Repeat(FakeUpstream.Fail(HttpStatusCode.TooManyRequests), 4)]);
        using var host = ModelHost.Create(
            ModelHost.At("one", upstream, "Retries=0", "BreakAfter=2", "BreakFor=00:30:00"));
        for (var n = 0; n < 4; n++)
        {
            await Assert.ThrowsAsync<ModelException>(() => AskAsync(host, "one", isStreamed: true));
        }

        Assert.Equal(FakeUpstream.Text, (await AskAsync(host, "one", isStreamed: true)).Text);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Key_ThatAnEndpointRepeats_IsNeitherLoggedNorTold(bool isStreamed)
    {
        await using var upstream = await FakeUpstream.StartAsync(FakeUpstream.Fail(HttpStatusCode.Unauthorized));
        await using var other = await FakeUpstream.StartAsync();
        using var host = ModelHost.Create(
        [
            "Chat:DefaultModel=one",
            .. ModelHost.At("one", upstream, "Fallbacks:0=two"), .. ModelHost.At("two", other),
        ]);
        await AskAsync(host, "one", isStreamed);
        Assert.Contains("Refused: Bearer ***", host.Log.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("sk-secret", host.Log.ToString(), StringComparison.Ordinal);
    }

    private static Func<HttpContext, Task> Stalling(string stall) => stall switch
    {
        "stall" => FakeUpstream.StallBefore,
        "stall after the headers" => FakeUpstream.StallAfterTheHeaders,
        _ => FakeUpstream.StallBehindAComment,
    };

    private static async Task AssertTimesOutAsync(ModelHost host, bool isStreamed)
    {
        var late = await Assert.ThrowsAsync<TimeoutException>(() => AskAsync(host, "one", isStreamed));
        Assert.Contains("The model 'one'", late.Message, StringComparison.Ordinal); // Not this test's own bound.
    }

    private static async Task<bool> AnswersAsync(ModelHost host)
    {
        try
        {
            await AskAsync(host, "one", isStreamed: true);
            return true;
        }
        catch (ModelException)
        {
            return false;
        }
    }

    private static ReplyDraft Ask(ModelHost host, string model, ChatOptions? options = null) =>
        new(new Prompt(host.Models.Find(model)!, [new(ChatRole.User, "hello")], options));

    private static Task<Reply> AskAsync(ModelHost host, string model, bool isStreamed, ChatOptions? options = null) =>
        Ask(host, model, options).AskAsync(isStreamed ? new Pieces() : null, MaxLength, CancellationToken).Soon();

    private static Task<Reply> AskAsync(ModelHost host, string model, Pieces sink) =>
        Ask(host, model).AskAsync(sink, MaxLength, CancellationToken).Soon();

    private static Task UntilAsync(Func<bool> condition) => UntilAsync(() => Task.FromResult(condition()));

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        async Task WaitAsync()
        {
            while (!await condition())
            {
                await Task.Delay(50, CancellationToken);
            }
        }

        await WaitAsync().Soon();
    }
}
