using System.ComponentModel.DataAnnotations;

namespace Chat.Service;

/// <summary>The section <c>Chat</c> of the configuration. Models have their own: <c>Chat:Models</c>.</summary>
internal sealed class ChatSettings
{
    /// <summary>What a chat costs, in credits, unless its model has a price of its own; 0 is free.</summary>
    [Range(0, 1_000_000_000)]
    public long Cost { get; init; } = 100;

    /// <summary>How long a reply may take, unless its model has a limit of its own.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:10:00")]
    public TimeSpan ModelTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The longest reply, in characters. A longer one counts as a failure of the model.</summary>
    [Range(1, 10_000_000)]
    public int MaxReplyLength { get; init; } = 1_000_000;

    /// <summary>How many chats a user may have under way, at each replica.</summary>
    [Range(1, 1_000_000)]
    public int MaxConcurrentChats { get; init; } = 64;

    /// <summary>How many exports a user may read at once, at each replica.</summary>
    [Range(1, 1_000_000)]
    public int MaxConcurrentExports { get; init; } = 2;

    /// <summary>How many pages with more than 64 KiB of text a user may read at once, at each replica.</summary>
    [Range(1, 1_000_000)]
    public int MaxConcurrentPages { get; init; } = 8;

    /// <summary>How many of a conversation's latest chats a model is told of.</summary>
    [Range(0, 1000)]
    public int MemoryTurns { get; init; } = 10;

    /// <summary>How much a model is told, in characters, with the message that it answers.</summary>
    [Range(0, 10_000_000)]
    public int MemoryLength { get; init; } = 32_768;

    /// <summary>After how much silence a client of a stream is sent a sign of life.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:01:00")]
    public TimeSpan HeartbeatEvery { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long the client of a stream may leave what it is sent unread.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:10:00")]
    public TimeSpan StalledAfter { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long a replica may leave its holds without renewing them before the others take it for dead and settle them.
    /// With what it takes to notice and to do it, nothing is left open for longer than a minute.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:00:40")]
    public TimeSpan DeadAfter { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long a replica that is told to stop still takes chats on: longer than gateways take to hear of it.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:01:00")]
    public TimeSpan LeaveFor { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long chats under way may go on when the service is told to stop.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:10:00")]
    public TimeSpan DrainFor { get; init; } = TimeSpan.FromSeconds(30);
}
