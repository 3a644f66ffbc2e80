using System.Text;
using Chat.Service.Models;
using Microsoft.Extensions.AI;
using Microsoft.ML.Tokenizers;

namespace Chat.Tests;

/// <summary>Tokens are counted nearly as OpenAI counts them, in a time that grows with the length alone.</summary>
public sealed class TokenCounterTests
{
    private static readonly Tokenizer Exact = TiktokenTokenizer.CreateForEncoding("o200k_base");

    [Theory]
    [InlineData("")]
    [InlineData("Hello AI")]
    [InlineData("Wie viele Wörter hat dieser Satz, und warum?")]
    public void Count_OfAShortText_IsExact(string text) =>
        Assert.Equal(Exact.CountTokens(text), TokenCounter.O200k.Count(text));

    [Fact]
    public void Count_OfALongText_IsWithinThreePercentAndNotBelow()
    {
        var text = string.Concat(
            Enumerable.Range(0, 2_000).Select(n => $"Sentence {n} is about the number {n * n}.\n"));
        var (exact, counted) = (Exact.CountTokens(text), TokenCounter.O200k.Count(text));
        Assert.InRange(counted, exact, exact * 1.03);
    }

    /// <summary>A tokenizer's work grows with the square of what it takes for one word: here it takes all.</summary>
    [Theory]
    [InlineData("的一是不了人我在有他这中大来上国")]
    [InlineData(" ")]
    [InlineData("a")]
    [InlineData("😀")]
    [InlineData("\n")]
    public void Count_OfOneEndlessWord_IsDoneInPiecesThatAreWholeCharacters(string unit)
    {
        var text = string.Concat(Enumerable.Repeat(unit, 200_000 / unit.Length));
        var bytes = Encoding.UTF8.GetByteCount(text);
        Assert.InRange(TokenCounter.O200k.Count(text), bytes / 128, bytes);
    }

    [Fact]
    public void Count_OfMoreThanIsCounted_TakesBytesOfTheRest()
    {
        var words = string.Concat(Enumerable.Repeat("word ", 1 + (256 * 1024 / 5)));
        ChatMessage[] all = [new(ChatRole.User, words)], more = [new(ChatRole.User, words + new string('x', 40_000))];
        Assert.InRange(
            TokenCounter.O200k.Count(more) - TokenCounter.O200k.Count(all), 9_900, 10_100);
        Assert.InRange(
            TokenCounter.O200k.CountMost(more, 0) - TokenCounter.O200k.CountMost(all, 0), 39_900, 40_100);
    }

    /// <summary>The vocabulary takes it for one token; endpoints take a user's for text.</summary>
    [Fact]
    public void Count_OfASpecialTokenThatAUserWrites_IsThatOfItsText() => Assert.InRange(
        TokenCounter.O200k.Count(string.Concat(Enumerable.Repeat("<|endoftext|>", 100))), 600, 1_300);

    [Fact]
    public void Name_OfASpeaker_Counts() => Assert.Equal(
        1, TokenCounter.O200k.Count([new(ChatRole.User, "hi") { AuthorName = "Ann" }])
            - TokenCounter.O200k.Count([new ChatMessage(ChatRole.User, "hi")]));

    [Fact]
    public void Bytes_HoldOneForEachAndCountOneForFour()
    {
        ChatMessage[] messages = [new(ChatRole.System, "12345"), new(ChatRole.User, "äöü")];
        Assert.Equal(3 + 4 + 5 + 4 + 6, TokenCounter.Bytes.CountMost(messages, margin: 9));
        Assert.Equal(3 + 4 + 2 + 4 + 2, TokenCounter.Bytes.Count(messages));
    }

    [Fact]
    public void Margin_IsAddedToWhatIsHeld()
    {
        ChatMessage[] messages = [new(ChatRole.User, "one two three four five six")];
        Assert.Equal(13, TokenCounter.O200k.Count(messages));
        Assert.Equal(16, TokenCounter.O200k.CountMost(messages, margin: 0.2));
    }
}
