using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Options;

namespace Chat.Service.Chats;

/// <summary>
/// The chats that this replica is answering: <see cref="HoldKeeper"/> renews their holds, and a replica that stops
/// waits for them.
/// </summary>
internal sealed class RunningChats : IDisposable
{
    private readonly ConcurrentDictionary<Guid, RunningChat> _byHolder = new();
    private readonly ConcurrentDictionary<Task, bool> _captures = new();
    private readonly Dictionary<long, int> _byUser = [];
    private readonly CancellationTokenSource _cut = new();
    private readonly IOptions<ChatSettings> _options;
    private readonly TimeProvider _clock;
    private volatile bool _isDraining;

    /// <summary>Makes a list without chats.</summary>
    /// <param name="lifetime">Says when the replica is told to stop.</param>
    /// <param name="options">How many chats a user may have under way, and how long they may go on then.</param>
    /// <param name="clock">The time.</param>
    public RunningChats(IHostApplicationLifetime lifetime, IOptions<ChatSettings> options, TimeProvider clock)
    {
        (_options, _clock) = (options, clock);
        lifetime.ApplicationStopping.Register(() => _cut.CancelAfter(options.Value.DrainFor));
    }

    /// <summary>Gets whether this replica stops and takes no new chats on.</summary>
    public bool IsDraining => _isDraining;

    /// <summary>Gets the chats under way.</summary>
    public ICollection<RunningChat> All => _byHolder.Values;

    /// <summary>Whether this replica answers a chat.</summary>
    /// <param name="holder">The request that holds.</param>
    public bool Contains(Guid holder) => _byHolder.ContainsKey(holder);

    /// <summary>Whether a user has as many chats under way as may be.</summary>
    /// <param name="userId">The user.</param>
    public bool IsFull(long userId)
    {
        lock (_byUser)
        {
            return _byUser.GetValueOrDefault(userId) >= _options.Value.MaxConcurrentChats;
        }
    }

    /// <summary>Begins a chat whose credits are held.</summary>
    /// <param name="chat">The chat.</param>
    /// <param name="timeout">How long its model may take.</param>
    /// <param name="caller">Ends it when the caller leaves.</param>
    /// <returns>The chat under way; null when the user has too many.</returns>
    public RunningChat? TryBegin(PendingChat chat, TimeSpan timeout, CancellationToken caller)
    {
        lock (_byUser)
        {
            ref var count = ref CollectionsMarshal.GetValueRefOrAddDefault(_byUser, chat.UserId, out _);
            if (count >= _options.Value.MaxConcurrentChats)
            {
                return null;
            }

            count++;
        }

        return _byHolder[chat.Holder] = new(this, chat, timeout, _clock.GetTimestamp(), caller, _cut.Token);
    }

    /// <summary>Ends the chats of a user who deletes what they are for, before their renewals find out.</summary>
    /// <param name="userId">The user.</param>
    /// <param name="conversation">Only those of this conversation; all when null.</param>
    public void Lose(long userId, Guid? conversation)
    {
        foreach (var chat in _byHolder.Values.Where(chat => chat.Chat.UserId == userId
            && (conversation is null || chat.Chat.Conversation == conversation)))
        {
            chat.Lose();
        }
    }

    /// <summary>Lets a replica that stops wait for a capture that nobody else waits for.</summary>
    /// <param name="capture">The capture. It never fails.</param>
    public void WaitFor(Task capture)
    {
        _captures[capture] = true;
        _ = capture.ContinueWith(ended => _captures.TryRemove(ended, out _), TaskScheduler.Default);
    }

    /// <summary>Takes no new chats on any more.</summary>
    public void Refuse() => _isDraining = true;

    /// <summary>Waits until no chat is under way, nor a capture.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        while (_byHolder.Values.Select(chat => chat.Ended).Concat(_captures.Keys).ToList() is { Count: > 0 } left)
        {
            await Task.WhenAny(left).WaitAsync(cancellationToken);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _cut.Dispose();

    private void End(RunningChat chat)
    {
        _byHolder.TryRemove(chat.Chat.Holder, out _);
        lock (_byUser)
        {
            if (--CollectionsMarshal.GetValueRefOrAddDefault(_byUser, chat.Chat.UserId, out _) == 0)
            {
                _byUser.Remove(chat.Chat.UserId);
            }
        }
    }

    /// <summary>A chat under way, until it is disposed of.</summary>
    internal sealed class RunningChat : IDisposable
    {
        private readonly RunningChats _all;
        private readonly CancellationToken _caller;
        private readonly CancellationToken _cut;
        private readonly CancellationTokenSource _end;
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool _isLost;

        /// <summary>Makes one.</summary>
        /// <param name="all">Those under way.</param>
        /// <param name="chat">The chat.</param>
        /// <param name="timeout">How long its model may take.</param>
        /// <param name="beganAt">When its credits were held.</param>
        /// <param name="caller">Whether the caller has left.</param>
        /// <param name="cut">Whether the replica waits no longer.</param>
        public RunningChat(
            RunningChats all, PendingChat chat, TimeSpan timeout, long beganAt, CancellationToken caller,
            CancellationToken cut)
        {
            (_all, Chat, Timeout, BeganAt, _caller, _cut) = (all, chat, timeout, beganAt, caller, cut);
            _end = CancellationTokenSource.CreateLinkedTokenSource(caller, cut);
            _end.CancelAfter(timeout);
        }

        /// <summary>Gets the chat.</summary>
        public PendingChat Chat { get; }

        /// <summary>Gets how long the model may take, a slow reader of its reply included.</summary>
        public TimeSpan Timeout { get; }

        /// <summary>Gets when its credits were held.</summary>
        public long BeganAt { get; }

        /// <summary>Gets what ends the model's work: the caller, the time, the lost hold, or the replica.</summary>
        public CancellationToken End => _end.Token;

        /// <summary>Gets what completes when the chat is not under way any more.</summary>
        public Task Ended => _ended.Task;

        /// <summary>Gets why the model's work was ended; timed out when nothing else is known.</summary>
        public ReplyStatus WhyEnded => _isLost ? ReplyStatus.TooLate
            : _caller.IsCancellationRequested ? ReplyStatus.CallerLeft
            : _cut.IsCancellationRequested ? ReplyStatus.Draining
            : ReplyStatus.ModelTimedOut;

        /// <summary>Says that the hold is gone.</summary>
        public void Lose()
        {
            _isLost = true;
            try
            {
                _end.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // It has ended meanwhile.
            }
        }

        /// <inheritdoc/>
        public void Dispose()
        {
            _all.End(this);
            _ended.TrySetResult();
            _end.Dispose();
        }
    }
}
