using System.ComponentModel.DataAnnotations;
using System.Text;

namespace Chat.Service.Chats;

/// <summary>A message that can be answered and stored: something to read, within the limit, without NUL characters.</summary>
internal sealed class ChatMessageAttribute : ValidationAttribute
{
    /// <summary>The largest message, in bytes of UTF-8.</summary>
    public const int MaxBytes = 32 * 1024;

    protected override ValidationResult? IsValid(object? value, ValidationContext validationContext) => value switch
    {
        not string or "" => new("The message must not be empty."),
        string text when string.IsNullOrWhiteSpace(text) => new("The message must not be blank."),
        string text when Encoding.UTF8.GetByteCount(text) > MaxBytes => new($"The message may have {MaxBytes} bytes at most."),
        string text when text.Contains('\0') => new("The message must not hold a NUL character."),
        _ => ValidationResult.Success,
    };
}
