using System.Net;
using System.Text.Json;
using Chat.Service.Chats;
using Chat.Service.Models;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.AI;

namespace Chat.Tests;

/// <summary>
/// Models that are priced by tokens: the most is held, what was used is captured, and who leaves pays for what was
/// made.
/// </summary>
public sealed class MeteringTests(ChatDatabase database) : IAsyncLifetime
{
    private const long Opening = 4000;

    private static readonly string[] Words = ["four", "five", "nine"];

    private static readonly Price ByTokens = new() { Input = 1000, CachedInput = 100, Output = 3000 };

    private readonly long _user = Random.Shared.NextInt64(1_000_000, long.MaxValue);
    private TestLedger _ledger = null!;
    private TestReplica _replica = null!;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _ledger = await TestLedger.StartAsync();
        _replica = new TestReplica(database.Source, _ledger.Address);
    }

    public async ValueTask DisposeAsync()
    {
        _replica.Dispose();
        await _ledger.DisposeAsync();
    }

    public static TheoryData<string, string?, long, long, long, bool> Reports() => new()
    {
        { "as OpenAI does", Usage("11", "7", "4"), 11, 4, 7, false },
        { "without the cached ones", Usage("11", "7"), 11, 0, 7, false },
        { "nothing", null, 8, 0, 3, true },
        { "null", """{"usage":null}""", 8, 0, 3, true },
        { "a list", """{"usage":[11,7]}""", 8, 0, 3, true },
        { "a text", Usage("\"11\"", "7"), 8, 0, 7, true },
        { "a fraction", Usage("11", "7.5"), 11, 0, 3, true },
        { "below nothing", Usage("-11", "7"), 8, 0, 7, true },
        { "a huge figure", Usage("11", "99999999999999999999999999"), 11, 0, 3, true },
        { "a figure for a planet", Usage("9007199254740991", "7"), 8, 0, 7, true },
        { "zeros", Usage("0", "0"), 8, 0, 3, true },
        { "figures and then none", Usage("11", "7") + "\n\ndata: {\"usage\":{}}", 11, 0, 7, false },
        { "more cached than told", Usage("11", "7", "99"), 11, 11, 7, false },
        { "cached ones of no sense", Usage("11", "7", "{}"), 11, 0, 7, false },
    };

    [Theory]
    [MemberData(nameof(Reports))]
    public async Task Usage_HoweverItIsReported_LosesNoReplyAndIsCharged(
        string how, string? report, long input, long cached, long output, bool isEstimated)
    {
        var expected = new ModelUsage(input, cached, output, isEstimated);
        await using var upstream = await FakeUpstream.StartAsync(
            FakeUpstream.Send([Piece("three small "), Piece("words"), Stop, report ?? """{"choices":[]}"""]));
        var (chat, row) = await AskAsync(upstream);

        Assert.Equal(ReplyStatus.Stored, chat.Status);
        Assert.Equal(expected, UsageOf(row!));
        Assert.Equal(ByTokens.Of(expected), row!.Cost);
        await AssertChargedAsync(row);
        Assert.NotEmpty(how);
    }

    /// <summary>Counted up in every chunk: seen were 88 and 35 for 11 and 7.</summary>
    [Fact]
    public async Task Usage_ThatIsCountedUpInEveryChunk_CountsOnceWithTheLast()
    {
        await using var upstream = await FakeUpstream.StartAsync(FakeUpstream.Send(
            Piece("a", Figures("11", "1")), Piece(" b", Figures("11", "3")), Piece(" c", Figures("11", "7")),
            Usage("11", "7")));
        var (_, row) = await AskAsync(upstream, "Stop");
        Assert.Equal(new ModelUsage(11, 0, 7), UsageOf(row!));
    }

    [Fact]
    public async Task Hold_IsTheEstimateWithItsMarginAndTheCap()
    {
        var held = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var upstream = await FakeUpstream.StartAsync(async context =>
        {
            held.SetResult(_ledger.Held);
            await FakeUpstream.Send(Piece("hi"), Stop, Usage("9", "1"))(context);
        });
        var (chat, row) = await AskAsync(upstream, "MaxOutputTokens=100", "Margin=0.5");

        // "hello" and its delimiters are 8 tokens, 12 with the margin.
        Assert.Equal(12 + 300, await held.Task.Soon());
        Assert.Equal(100, (int)upstream.Asked[0].Body["max_completion_tokens"]!);
        Assert.Equal((9L + 3, Opening - 12), (row!.Cost, chat.Chat!.Tokens!.Value));
        await AssertChargedAsync(row);
    }

    /// <summary>An endpoint that does not know the field for it makes as much as it likes.</summary>
    [Fact]
    public async Task Reply_FarBeyondTheCap_IsEndedAndPaidUpToIt()
    {
        await using var upstream = await FakeUpstream.StartAsync(
            FakeUpstream.Send([.. Enumerable.Repeat(Piece("12345678"), 1000), Stop, Usage("9", "2000")]));
        var (chat, row) = await AskAsync(upstream, "MaxOutputTokens=10", "Margin=0");
        Assert.Equal((ReplyStatus.Stored, "length", 8 + 30), (chat.Status, row!.FinishReason, row.Cost));
        Assert.Equal(11 * 8, row.Response!.Length);
        await AssertChargedAsync(row);
    }

    /// <summary>Or it would be a way to read without paying.</summary>
    [Fact]
    public async Task Reader_WhoIsSoSlowThatTheTimeRunsOut_PaysForWhatWasMade()
    {
        var model = ScriptedModel.NeverEnds("four").Model(ByTokens, TimeSpan.FromMilliseconds(200)) with
        {
            MaxOutputTokens = 1000,
        };
        var result = await _replica.Pipeline.RunAsync(
            new(Guid.NewGuid(), _user, "hello"), new(model, [new(ChatRole.User, "hello")]), new Stuck(),
            CancellationToken).Soon();
        var chat = result.Chat!;
        Assert.Equal((ReplyStatus.Stored, "cancelled", 9 + 3), (result.Status, chat.FinishReason, chat.Cost));
        Assert.Equal("cancelled", chat.ToResponse().FinishReason);
    }

    [Fact]
    public async Task Fallback_WithACapOfItsOwn_IsAskedForNoMore()
    {
        await using var down = await FakeUpstream.StartAsync(FakeUpstream.Fail());
        await using var other = await FakeUpstream.StartAsync(FakeUpstream.Send(Piece("hi"), Stop, Usage("9", "1")));
        using var host = ModelHost.Create(
        [
            "Chat:DefaultModel=one", .. ModelHost.At("one", down, "Retries=0", "Fallbacks:0=two"),
            .. ModelHost.At("two", other, "MaxOutputTokens=5"),
        ]);
        await new ReplyDraft(new(host.Models.Find("one")!, [new(ChatRole.User, "hello")])).AskAsync(
            sink: null, maxLength: 100, CancellationToken).Soon();
        Assert.Equal(5, (int)other.Asked[0].Body["max_completion_tokens"]!);
        Assert.Null(down.Asked[0].Body["max_completion_tokens"]);
    }

    /// <summary>The answer says what can be spent, and it can be spent at once.</summary>
    [Fact]
    public async Task Answer_WaitsForACaptureThatGivesCreditsBack()
    {
        await using var upstream = await FakeUpstream.StartAsync(
            FakeUpstream.Send(Piece("hi"), Stop, Usage("9", "1")));
        var (chat, _) = await AskAsync(upstream);
        Assert.Equal((chat.Chat!.Tokens!.Value, 0L), (_ledger.Balance, _ledger.Held));
    }

    [Fact]
    public async Task Cost_AboveTheHold_IsNotCharged()
    {
        await using var upstream = await FakeUpstream.StartAsync(
            FakeUpstream.Send(Piece("hi"), Stop, Usage("9", "100000")));
        var (chat, row) = await AskAsync(upstream, "MaxOutputTokens=10", "Margin=0");
        Assert.Equal(8 + 30, row!.Cost);
        Assert.Equal(Opening - 38, chat.Chat!.Tokens);
        await AssertChargedAsync(row);
    }

    [Fact]
    public async Task Chat_ThatTheBalanceCannotCover_AsksNoModel()
    {
        await using var upstream = await FakeUpstream.StartAsync();
        var (chat, row) = await AskAsync(upstream, "MaxOutputTokens=2000");
        Assert.Equal((ReplyStatus.InsufficientTokens, null), (chat.Status, row));
        Assert.Equal(10 + 6000, chat.Hold!.Amount); // 8 tokens are 9.6 with the margin.
        Assert.Empty(upstream.Asked);
    }

    [Fact]
    public async Task Chats_ThatTogetherExceedTheBalance_DoNotHoldTheSameCredits()
    {
        var first = ScriptedModel.NeverAnswers();
        var price = new Price { Input = 0, Output = 2500 };
        _ = RunAsync(first, price, CancellationToken);
        await first.Asked.Soon();
        var second = await RunAsync(ScriptedModel.Answers("hi"), price, CancellationToken).Soon();
        Assert.Equal(ReplyStatus.InsufficientTokens, second.Status);
        Assert.Equal((2500, 1500, 2500), (second.Hold!.Amount, second.Hold.Available, second.Hold.Held));
    }

    [Theory]
    [InlineData("free")]
    [InlineData("tokens that cost nothing")]
    public async Task Model_ThatIsFree_HoldsNothingAndLeavesNoTransfer(string how)
    {
        _ledger.Balance = 0;
        var price = how is "free" ? Price.Flat(0) : new Price { Input = 0, Output = 0 };
        var result = await RunAsync(ScriptedModel.Answers("hi"), price, CancellationToken).Soon();
        Assert.Equal((ReplyStatus.Stored, 0, 0), (result.Status, result.Chat!.Cost, result.Chat.Tokens));
        await _replica.Running.DrainAsync(CancellationToken).Soon();
        Assert.Equal((0, 0), (_ledger.Balance, _ledger.Held));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Caller_WhoLeavesAtAnyPiece_PaysForWhatWasMade(int pieces)
    {
        using var caller = new CancellationTokenSource();
        var model = ScriptedModel.Streams(
            cancelled => Task.Delay(Timeout.Infinite, cancelled), [.. Words.Take(pieces)]);
        var sink = new LeavesAfter(pieces, caller);
        var result = await RunAsync(model, ByTokens, caller.Token, sink).Soon();

        await model.Left.Soon();
        Assert.Equal(ReplyStatus.Stored, result.Status);
        var row = (await RowAsync(result.Chat!.HoldId))!;
        Assert.Equal("cancelled", row.FinishReason);
        Assert.Equal(string.Concat(Words.Take(pieces)), row.Response);
        Assert.Equal(new ModelUsage(7 + 2, 0, pieces, IsEstimated: true), UsageOf(row)); // A token for 4 bytes.
        Assert.Equal(9 + (3 * pieces), row.Cost);
        await AssertChargedAsync(row);
    }

    [Fact]
    public async Task Caller_WhoLeavesBeforeTheFirstPiece_PaysNothing()
    {
        using var caller = new CancellationTokenSource();
        var model = ScriptedModel.NeverAnswers();
        var answer = RunAsync(model, ByTokens, caller.Token);
        await model.Asked.Soon();
        await caller.CancelAsync();
        Assert.Equal((ReplyStatus.CallerLeft, true), ((await answer).Status, (await answer).IsSettled));
        Assert.Equal((Opening, 0), (_ledger.Balance, _ledger.Held));
    }

    [Fact]
    public async Task Caller_WhoLeavesAFlatPricedChat_PaysNothing()
    {
        using var caller = new CancellationTokenSource();
        var model = ScriptedModel.Streams(cancelled => Task.Delay(Timeout.Infinite, cancelled), "one", "two");
        var result = await RunAsync(model, Price.Flat(100), caller.Token, new LeavesAfter(1, caller)).Soon();
        Assert.Equal((ReplyStatus.CallerLeft, true), (result.Status, result.IsSettled));
        Assert.Equal((Opening, 0), (_ledger.Balance, _ledger.Held));
    }

    /// <summary>The model has ended, and nothing is stored yet.</summary>
    [Fact]
    public async Task Caller_WhoLeavesAFlatPricedChatWithTheLastPiece_PaysNothing()
    {
        using var caller = new CancellationTokenSource();
        var model = ScriptedModel.Streams(_ => caller.CancelAsync(), "one");
        var result = await RunAsync(model, Price.Flat(100), caller.Token).Soon();
        Assert.Equal((ReplyStatus.CallerLeft, true), (result.Status, result.IsSettled));
        Assert.Equal((Opening, 0), (_ledger.Balance, _ledger.Held));
    }

    /// <summary>A model that breaks off has failed, whoever pays for it: the user does not.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Model_ThatIsCutOffAtAnyPiece_CostsNothing(int pieces)
    {
        var model = ScriptedModel.IsCutAfter([.. Enumerable.Repeat("word ", pieces)]);
        var result = await RunAsync(model, ByTokens, CancellationToken).Soon();
        Assert.Equal((ReplyStatus.ModelFailed, true), (result.Status, result.IsSettled));
        Assert.Equal((Opening, 0), (_ledger.Balance, _ledger.Held));
    }

    [Fact]
    public async Task Fallback_ThatIsDearer_CostsWhatTheModelAskedForCosts()
    {
        await using var down = await FakeUpstream.StartAsync(FakeUpstream.Fail());
        await using var other = await FakeUpstream.StartAsync(
            FakeUpstream.Send(Piece("hi"), Stop, Usage("9", "1")));
        var (_, row) = await AskAsync(
            down, other, "Retries=0", "Fallbacks:0=two");
        Assert.Equal(("one", "two", 9 + 3), (row!.Model, row.AnsweredBy, row.Cost));
    }

    [Fact]
    public async Task Chat_KeepsAllThatWasUsed_AndShowsIt()
    {
        await using var host = await ChatHost.StartAsync(database);
        using var client = host.NewClient();
        var sent = await client.CallAsync(HttpMethod.Post, "/api/chat", new { message = "Hello AI" })
            .JsonAsync(HttpStatusCode.Created);
        Assert.False(sent.TryGetProperty("usage", out _));
        var shown = await client.CallAsync(HttpMethod.Get, $"/api/chat/{sent.GetProperty("id")}")
            .JsonAsync(HttpStatusCode.OK);
        var usage = shown.GetProperty("usage");
        Assert.Equal(
            ("mock", "mock", 2, 0, 6, false, 100, "stop"),
            (usage.GetProperty("model").GetString(), usage.GetProperty("answered_by").GetString(),
                usage.GetProperty("input_tokens").GetInt32(), usage.GetProperty("cached_tokens").GetInt32(),
                usage.GetProperty("output_tokens").GetInt32(), usage.GetProperty("estimated").GetBoolean(),
                usage.GetProperty("price").GetProperty("request").GetInt32(),
                usage.GetProperty("finish_reason").GetString()));
        Assert.InRange(usage.GetProperty("first_piece_ms").GetInt32(), 0, usage.GetProperty("duration_ms").GetInt32());
        Assert.Equal(JsonValueKind.Null, usage.GetProperty("key").ValueKind);
    }

    private static string Stop => """{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}""";

    private static string Figures(string input, string output, string? cached = null) =>
        $$"""{"prompt_tokens":{{input}},"completion_tokens":{{output}}"""
        + (cached is null ? "}" : $$$""","prompt_tokens_details":{"cached_tokens":{{{cached}}}}}""");

    private static string Usage(string input, string output, string? cached = null) =>
        $$"""{"choices":[],"usage":{{Figures(input, output, cached)}}}""";

    private static string Piece(string text, string? figures = null)
    {
        var reason = figures is null ? "null" : "\"stop\"";
        var choice = $$$"""{"index":0,"delta":{"content":"{{{text}}}"},"finish_reason":{{{reason}}}}""";
        return $$"""{"choices":[{{choice}}],"usage":{{figures ?? "null"}}}""";
    }

    private static ModelUsage UsageOf(StoredChat row) => new(
        row.InputTokens!.Value, row.CachedTokens!.Value, row.OutputTokens!.Value, row.IsUsageEstimated!.Value);

    private Task<(ChatResult Result, StoredChat? Row)> AskAsync(FakeUpstream upstream, params string[] more) =>
        AskAsync(upstream, upstream, more);

    private async Task<(ChatResult Result, StoredChat? Row)> AskAsync(
        FakeUpstream upstream, FakeUpstream other, params string[] more)
    {
        string[] settings =
        [
            "Price:Input=1000", "Price:CachedInput=100", "Price:Output=3000", "MaxOutputTokens=1000",
            .. more.Where(line => line != "Stop"),
        ];
        using var host = ModelHost.Create(
        [
            "Chat:DefaultModel=one", .. ModelHost.At("one", upstream, settings),
            .. ModelHost.At("two", other, "Price:Input=90000", "Price:Output=90000"),
        ]);
        var model = host.Models.Find("one")!;
        var chat = new PendingChat(Guid.NewGuid(), _user, "hello") { Model = "one" };
        var result = await _replica.Pipeline.RunAsync(
            chat, new(model, [new(ChatRole.User, "hello")]), sink: null, CancellationToken).Soon();
        return (result, await RowAsync(chat.Id));
    }

    private Task<ChatResult> RunAsync(
        ScriptedModel model, Price price, CancellationToken caller, IReplySink? sink = null) =>
        _replica.Pipeline.RunAsync(
            new(Guid.NewGuid(), _user, "hello"),
            new(model.Model(price) with { MaxOutputTokens = 1000 }, [new(ChatRole.User, "hello")]),
            sink,
            caller);

    private async Task<StoredChat?> RowAsync(Guid hold)
    {
        await using var db = database.CreateContext();
        return await db.Chats.AsNoTracking().SingleOrDefaultAsync(row => row.HoldId == hold, CancellationToken).Soon();
    }

    private async Task AssertChargedAsync(StoredChat row)
    {
        await _replica.Running.DrainAsync(CancellationToken).Soon();
        Assert.Equal((Opening - row.Cost, 0), (_ledger.Balance, _ledger.Held));
        Assert.Equal(Opening - row.Cost, row.Tokens);
    }

    /// <summary>A caller who takes nothing.</summary>
    private sealed class Stuck : IReplySink
    {
        public void Began(Guid hold)
        {
            // Nobody waits for it.
        }

        public Task WriteAsync(string text, CancellationToken cancellationToken) =>
            Task.Delay(Timeout.Infinite, cancellationToken);
    }

    /// <summary>A caller who takes some pieces and leaves.</summary>
    private sealed class LeavesAfter(int pieces, CancellationTokenSource caller) : IReplySink
    {
        private int _left = pieces;

        public void Began(Guid hold)
        {
            // Nobody waits for it.
        }

        public Task WriteAsync(string text, CancellationToken cancellationToken) =>
            --_left == 0 ? caller.CancelAsync() : Task.CompletedTask;
    }
}
