using System.Net;
using Chat.Service.Chats;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.AI;

namespace Chat.Tests;

/// <summary>Whatever an endpoint does, a user pays for a stored reply and for nothing else.</summary>
public sealed class UpstreamMoneyTests(ChatDatabase database)
{
    private const long Opening = 4000;
    private const long Cost = 70;

    private readonly Pieces _pieces = new();

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public static MatrixTheoryData<string, bool> Failures() => new(
        [
            "500", "429", "hang up", "stall", "stall in the stream", "stall after two words", "cut", "empty",
            "end without a reason",
        ],
        [true, false]);

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task Failure_OfAnEndpoint_CostsNothing(string failure, bool isStreamed)
    {
        await using var upstream = await FakeUpstream.StartAsync(
            [.. Enumerable.Repeat(Failing(failure, isStreamed), 10)]);
        var isStalled = failure.StartsWith("stall", StringComparison.Ordinal);
        var (result, balance, row) = await AnswerAsync(isStreamed, ModelHost.At(
            "one", upstream, $"Cost={Cost}", "Retries=1", isStalled ? "Timeout=00:00:02" : "Timeout=00:00:50"));

        var expected = isStalled ? ReplyStatus.ModelTimedOut : ReplyStatus.ModelFailed;
        Assert.Equal((expected, true), (result.Status, result.IsSettled));
        Assert.Equal(Opening, balance);
        Assert.Null(row);
        Assert.NotEmpty(upstream.Asked);
    }

    [Theory]
    [InlineData("end without a reason")]
    [InlineData("empty")]
    public async Task Failure_OfAnEndpoint_Is502AndCostsNothing(string failure)
    {
        await using var upstream = await FakeUpstream.StartAsync(Failing(failure, isStreamed: false));
        using var models = ModelHost.Create(ModelHost.At("one", upstream));
        await using var host = await ChatHost.StartAsync(database);
        host.Model = ScriptedModel.Asks(models.Models.Find("one")!.Client);
        using var client = host.NewClient();
        var answer = client.CallAsync(HttpMethod.Post, "/scripted", new { message = "hello" });
        Assert.Equal("model_failed", await answer.ProblemAsync(HttpStatusCode.BadGateway));
        Assert.Equal(Opening, host.Ledger.Available);
    }

    [Theory]
    [InlineData("500", true)]
    [InlineData("500", false)]
    [InlineData("stall", false)]
    [InlineData("empty", false)]
    public async Task Fallback_ThatAnswers_CostsWhatTheModelAskedForCosts(string failure, bool isStreamed)
    {
        await using var upstream = await FakeUpstream.StartAsync(Failing(failure, isStreamed));
        await using var other = await FakeUpstream.StartAsync();
        var (result, balance, row) = await AnswerAsync(
            isStreamed,
            [
                "Chat:DefaultModel=one",
                .. ModelHost.At(
                    "one", upstream, $"Cost={Cost}", "Retries=0", "FirstByteTimeout=00:00:02", "Fallbacks:0=two"),
                .. ModelHost.At("two", other, "Cost=999"),
            ]);
        Assert.Equal(ReplyStatus.Stored, result.Status);
        Assert.Equal((Opening - Cost, FakeUpstream.Text), (balance, row!.Response));
        Assert.Equal((Cost, "one"), (row.Cost, row.Model));
    }

    [Fact]
    public async Task Failure_ThatPasses_IsPaidForOnce()
    {
        await using var upstream = await FakeUpstream.StartAsync(FakeUpstream.Fail(), FakeUpstream.HangUp);
        var (result, balance, row) = await AnswerAsync(
            isStreamed: true, ModelHost.At("one", upstream, $"Cost={Cost}", "Retries=2"));
        Assert.Equal(ReplyStatus.Stored, result.Status);
        Assert.Equal(Opening - Cost, balance);
        Assert.Equal((ChatStatus.Completed, FakeUpstream.Text), (row!.Status, row.Response));
    }

    private Func<HttpContext, Task> Failing(string failure, bool isStreamed) => failure switch
    {
        "500" => FakeUpstream.Fail(),
        "429" => FakeUpstream.Fail(HttpStatusCode.TooManyRequests, retryAfter: "60"),
        "hang up" => FakeUpstream.HangUp,
        "stall" => FakeUpstream.StallBefore,
        "stall in the stream" => FakeUpstream.StallAfterTheHeaders,
        "stall after two words" => FakeUpstream.StallAfterTwoWords,
        "cut" => FakeUpstream.Cut(isStreamed ? _pieces.TwoWords : Task.CompletedTask),
        "empty" => FakeUpstream.AnswerWithoutText,
        _ => FakeUpstream.EndWithoutAReason,
    };

    private async Task<(ChatResult Result, long Balance, StoredChat? Row)> AnswerAsync(
        bool isStreamed, string[] settings)
    {
        await using var ledger = await TestLedger.StartAsync();
        using var host = ModelHost.Create(settings);
        using var replica = new TestReplica(database.Source, ledger.Address);
        var model = host.Models.Find("one")!;
        var chat = new PendingChat(Guid.NewGuid(), UserId: 11, "hello") { Model = model.Name };
        var result = await replica.Pipeline.RunAsync(
            chat,
            new(model, [new(ChatRole.User, "hello")]),
            isStreamed ? _pieces : null,
            CancellationToken).Soon();
        await using var db = database.CreateContext();
        var row = await db.Chats.AsNoTracking()
            .SingleOrDefaultAsync(each => each.HoldId == chat.Id, CancellationToken).Soon();
        return (result, ledger.Available, row);
    }
}
