using System.ComponentModel.DataAnnotations;

namespace Chat.Service;

/// <summary>The section <c>Chat</c> of the configuration.</summary>
internal sealed class ChatSettings
{
    /// <summary>What a chat costs, in tokens.</summary>
    [Range(1, 1_000_000_000)]
    public long Cost { get; init; } = 100;

    /// <summary>How long the model may take.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:10:00")]
    public TimeSpan ModelTimeout { get; init; } = TimeSpan.FromSeconds(60);
}
