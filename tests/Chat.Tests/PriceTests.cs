using Chat.Service.Models;
using CsCheck;
using Microsoft.Extensions.AI;

namespace Chat.Tests;

/// <summary>Prices of models: exact, whole credits, and never above what is held.</summary>
public sealed class PriceTests
{
    private static readonly Price Dear = new() { Input = 50, CachedInput = 12.5m, Output = 150, Minimum = 3 };

    [Theory]
    [InlineData(1000, 0, 1000, 200)]
    [InlineData(1000, 1000, 0, 13)] // 12.5, rounded up
    [InlineData(1000, 400, 200, 65)] // 30 + 5 + 30
    [InlineData(1, 0, 1, 3)] // 0.2, and the minimum
    [InlineData(0, 0, 0, 3)]
    [InlineData(20, 0, 20, 4)] // 1 + 3: exact parts are rounded once
    [InlineData(21, 0, 20, 5)] // 4.05
    [InlineData(10, 99, 0, 3)] // More cached than there is.
    public void Price_ByTokens_IsTheSumRoundedUpOnce(long input, long cached, long output, long expected) =>
        Assert.Equal(expected, Dear.Of(new(input, cached, output)));

    /// <summary>The example of docs/models.md.</summary>
    [Fact]
    public void Price_OfTheDocumentedExample_IsWhatIsSaidThere()
    {
        var price = new Price { Input = 50, CachedInput = 25, Output = 150, Minimum = 1 };
        Assert.Equal(336, price.Of(new(720, 0, 2_000)));
        Assert.Equal(70, price.Of(new(600, 200, 300)));
    }

    [Fact]
    public void Price_ThatIsFlat_IsTheSameWhateverIsUsed()
    {
        Assert.Equal(100, Price.Flat(100).Of(new(0, 0, 0)));
        Assert.Equal(100, Price.Flat(100).Of(new(1_000_000, 0, 1_000_000)));
        Assert.Equal(0, Price.Flat(0).Of(new(1, 1, 1)));
    }

    [Fact]
    public void Price_OfHugeFigures_IsNoOverflow()
    {
        var price = new Price { Input = 1_000_000, Output = 1_000_000 };
        Assert.Equal(1L << 53, price.Of(new(long.MaxValue, 0, long.MaxValue)));
    }

    [Fact]
    public void Price_AsJson_ComesBack()
    {
        Assert.Equal("""{"input":50,"cached_input":12.5,"output":150,"minimum":3}""", Dear.Json);
        Assert.Equal("""{"request":100}""", Price.Flat(100).Json);
        var usage = new ModelUsage(1234, 300, 77);
        Assert.Equal(Dear.Of(usage), Price.Parse(Dear.Json).Of(usage));
    }

    [Fact]
    public void Price_OfMoreTokens_IsNeverLess() =>
        Gen.Select(Prices, Usages, Gen.Long[0, 100_000], Gen.Long[0, 100_000]).Sample((price, usage, input, output) =>
            price.Of(usage) <= price.Of(usage with { InputTokens = usage.InputTokens + input })
            && price.Of(usage) <= price.Of(usage with { OutputTokens = usage.OutputTokens + output })
            && price.Of(usage) >= (price.Minimum ?? 0));

    /// <summary>What the endpoint may report at most, if its tokenizer keeps within the margin, is held.</summary>
    [Fact]
    public void Hold_CoversWhateverIsUsedWithinTheEstimateAndTheCap() => Gen.Select(
        Prices, Gen.String[0, 2_000], Gen.Int[1, 5_000], Gen.Double[0, 1], Gen.Double[0, 1]).Sample(
        (price, text, cap, share, cached) =>
        {
            var model = new ChatModel("m", ScriptedModel.Answers(""), price, TimeSpan.Zero)
            {
                MaxOutputTokens = cap, Tokens = TokenCounter.O200k, Margin = 0.2,
            };
            ChatMessage[] messages = [new(ChatRole.User, text)];
            var most = new Prompt(model, messages).MostCredits();
            var input = (long)(model.Tokens.Count(messages) * (1 + (0.2 * share)));
            return price.Of(new(input, (long)(input * cached), (long)(cap * share))) <= most;
        });

    [Theory]
    [InlineData(null, null, null)]
    [InlineData(null, 7, 7)]
    [InlineData(9, null, 9)]
    [InlineData(9, 7, 7)]
    [InlineData(9, 12, 9)]
    public void Cap_OfTheOperator_IsNeverExceededByAWish(int? cap, int? wish, int? expected)
    {
        var model = new ChatModel("m", ScriptedModel.Answers(""), Price.Flat(1), TimeSpan.Zero)
        {
            MaxOutputTokens = cap,
        };
        var wished = wish is null ? null : new ChatOptions { MaxOutputTokens = wish };
        Assert.Equal(expected, new Prompt(model, [], wished).ToOptions()?.MaxOutputTokens);
    }

    private static Gen<Price> Prices => Gen.Select(
        Gen.Decimal[0, 1_000], Gen.Decimal[0, 1], Gen.Decimal[0, 1_000], Gen.Long[0, 50],
        (input, cached, output, minimum) => new Price
        {
            Input = input, CachedInput = input * cached, Output = output, Minimum = minimum,
        });

    private static Gen<ModelUsage> Usages => Gen.Select(
        Gen.Long[0, 200_000], Gen.Long[0, 200_000], Gen.Long[0, 200_000],
        (input, cached, output) => new ModelUsage(input, Math.Min(cached, input), output));
}
