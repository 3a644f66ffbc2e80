using System.Text;
using Microsoft.Extensions.AI;
using Microsoft.ML.Tokenizers;

namespace Chat.Service.Models;

/// <summary>
/// Counts a model's tokens, for holds and for endpoints that do not report them. Other vendors' tokenizers count
/// otherwise: holds get a margin.
/// </summary>
internal sealed class TokenCounter
{
    /// <summary>The name of <see cref="Bytes"/> in the configuration.</summary>
    public const string BytesName = "bytes";

    /// <summary>The name of OpenAI's vocabulary of 200,000 tokens in the configuration.</summary>
    public const string O200kName = "o200k_base";

    /// <summary>A token for each 4 bytes of UTF-8; held is one for each byte, which no tokenizer exceeds.</summary>
    public static readonly TokenCounter Bytes = new(vocabulary: null);

    /// <summary>Counts by OpenAI's vocabulary, which is read once: 40 MiB, 0.3 s.</summary>
    public static readonly TokenCounter O200k = new(new(() => TiktokenTokenizer.CreateForEncoding(O200kName)));

    /// <summary>The roles and delimiters around each message.</summary>
    private const int PerMessage = 4;

    /// <summary>What begins the answer.</summary>
    private const int PerRequest = 3;

    private const int BytesPerToken = 4;

    /// <summary>
    /// The tokenizer's time grows with the square of a word's length, and 100,000 Chinese characters or spaces are one
    /// word: 18 s. Cut into pieces they take 0.1 s, and a text has a token more at each cut.
    /// </summary>
    private const int PieceLength = 256;

    /// <summary>What is counted of a text, in characters. Of the rest each byte is taken for a token.</summary>
    private const int MaxCounted = 256 * 1024;

    private readonly Lazy<Tokenizer>? _vocabulary;

    private TokenCounter(Lazy<Tokenizer>? vocabulary) => _vocabulary = vocabulary;

    /// <summary>Reads the vocabulary now, so that no user waits for it.</summary>
    public void Load() => _ = _vocabulary?.Value;

    /// <summary>Counts the tokens of a text.</summary>
    /// <param name="text">The text.</param>
    public long Count(string text) => _vocabulary is null ? BytesOf(text, BytesPerToken)
        : CountWords(text, out var rest) + BytesOf(text.AsSpan(rest), BytesPerToken);

    /// <summary>Counts the tokens of messages.</summary>
    /// <param name="messages">What a model is told.</param>
    public long Count(IReadOnlyList<ChatMessage> messages) => PerRequest
        + messages.Sum(message => PerMessage + Count(message.Text) + Count(message.AuthorName ?? ""));

    /// <summary>The most tokens that messages may turn out to have.</summary>
    /// <param name="messages">What a model is told.</param>
    /// <param name="margin">What other tokenizers may count more than this one: 0.2 is a fifth.</param>
    public long CountMost(IReadOnlyList<ChatMessage> messages, double margin)
    {
        var most = messages.Sum(message => PerMessage + MostOf(message.Text) + MostOf(message.AuthorName ?? ""));
        return (long)Math.Ceiling((PerRequest + most) * (_vocabulary is null ? 1 : 1 + margin));
    }

    private static long BytesOf(ReadOnlySpan<char> text, int perToken) =>
        (Encoding.UTF8.GetByteCount(text) + perToken - 1) / perToken;

    private long MostOf(string text) => _vocabulary is null
        ? BytesOf(text, perToken: 1)
        : CountWords(text, out var rest) + BytesOf(text.AsSpan(rest), perToken: 1);

    /// <param name="text">The text.</param>
    /// <param name="rest">Where what is not counted begins.</param>
    private long CountWords(string text, out int rest)
    {
        var count = 0L;
        for (rest = 0; rest < text.Length && rest < MaxCounted;)
        {
            var left = text.AsSpan(rest);
            var end = Math.Min(left.Length, PieceLength);
            if (left.Length > PieceLength)
            {
                var space = left[..end].LastIndexOf(' '); // A word begins with the space before it.
                end = space > 0 ? space : char.IsHighSurrogate(left[end - 1]) ? end - 1 : end;
            }

            // A user's "<|endoftext|>" is text to a model, and one special token to the vocabulary.
            var special = left[..end].IndexOf("<|");
            end = special < 0 ? end : special + 1;
            count += _vocabulary!.Value.CountTokens(left[..end]);
            rest += end;
        }

        return count;
    }
}
