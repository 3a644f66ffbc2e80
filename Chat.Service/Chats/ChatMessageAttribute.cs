using System.ComponentModel.DataAnnotations;
using System.Text;

namespace Chat.Service.Chats;

/// <summary>
/// A message that can be answered and stored: something to read, within the limit, without NUL characters.
/// </summary>
[AttributeUsage(AttributeTargets.Parameter | AttributeTargets.Property)]
public sealed class ChatMessageAttribute : ValidationAttribute
{
    /// <summary>The largest message, in bytes of UTF-8.</summary>
    public const int MaxBytes = 32 * 1024;

    /// <inheritdoc/>
    protected override ValidationResult? IsValid(object? value, ValidationContext validationContext) => value switch
    {
        not string => ValidationResult.Success, // That is for [Required] to say, which refuses blank messages too.
        string text when Encoding.UTF8.GetByteCount(text) > MaxBytes =>
            new($"The message may have {MaxBytes} bytes at most."),
        string text when text.Contains('\0') => new("The message must not hold a NUL character."),
        _ => ValidationResult.Success,
    };
}
