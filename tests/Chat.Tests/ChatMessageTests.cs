using System.ComponentModel.DataAnnotations;
using Chat.Service.Chats;

namespace Chat.Tests;

/// <summary>What may be said to the model.</summary>
public sealed class ChatMessageTests
{
    private const int MaxBytes = 32 * 1024;

    public static TheoryData<string, object?, bool> Messages() => new()
    {
        { "short", "hello", true },
        { "no text at all is for [Required]", null, true },
        { "the largest", new string('x', MaxBytes), true },
        { "a byte too many", new string('x', MaxBytes + 1), false },
        { "the largest in two-byte letters", new string('é', MaxBytes / 2), true },
        { "a two-byte letter too many", new string('é', (MaxBytes / 2) + 1), false },
        { "the largest in four-byte letters", string.Concat(Enumerable.Repeat("🙂", MaxBytes / 4)), true },
        { "NUL in the middle", "a\0b", false },
        { "other control characters", "a\tb\r\nc\u0001", true },
    };

    [Theory]
    [MemberData(nameof(Messages), DisableDiscoveryEnumeration = true)]
    public void Message_OfAnyKind_IsTakenOrRefusedInASentence(string kind, object? message, bool taken)
    {
        var result = new ChatMessageAttribute().GetValidationResult(message, new ValidationContext(new object()));
        Assert.True(taken == (result == ValidationResult.Success), kind);
        Assert.True(taken || result!.ErrorMessage!.StartsWith("The message ", StringComparison.Ordinal), kind);
    }
}
