using Chat.Service;
using Chat.Service.Chats;
using Chat.Service.Ledger;
using Chat.Service.Models;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Chat.Tests;

/// <summary>What a replica of the service is made of as far as money goes, on a clock that a test moves.</summary>
internal sealed class TestReplica : IDisposable
{
    private readonly ServiceProvider _services;
    private readonly ChatSettings _settings;

    public TestReplica(
        NpgsqlDataSource database, Uri ledger, ChatSettings? settings = null, ILoggerFactory? logging = null)
    {
        _settings = settings ?? new ChatSettings();
        var options = Options.Create(_settings);
        logging ??= NullLoggerFactory.Instance;
        var services = new ServiceCollection();
        services.AddHttpClient(LedgerClient.ClientName, client => client.BaseAddress = ledger)
            .UseSocketsHttpHandler((handler, _) => handler.UseProxy = false);
        _services = services.BuildServiceProvider();
        var metrics = TestMetrics.New();
        Ledger = new LedgerClient(
            _services.GetRequiredService<IHttpClientFactory>(), NullLogger<LedgerClient>.Instance)
        {
            PauseFactor = 0.05,
        };
        Store = new ChatStore(database);
        Running = new RunningChats(Lifetime, options, Clock);
        Settlement = new Settlement(Store, Ledger, metrics, NullLogger<Settlement>.Instance);
        Pipeline = new ChatPipeline(
            Ledger, Store, Settlement, Running, metrics, options, new Logger<ChatPipeline>(logging));
        Keeper = new HoldKeeper(
            Running, Ledger, Settlement, options, metrics, Clock, NullLogger<HoldKeeper>.Instance);
    }

    public ApplicationLifetime Lifetime { get; } = new(NullLogger<ApplicationLifetime>.Instance);

    public ManualClock Clock { get; } = new();

    public LedgerClient Ledger { get; }

    public ChatStore Store { get; }

    public RunningChats Running { get; }

    public Settlement Settlement { get; }

    public ChatPipeline Pipeline { get; }

    public HoldKeeper Keeper { get; }

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    /// <summary>The latest request that was sent, with its holder.</summary>
    public PendingChat? Latest { get; private set; }

    /// <summary>Answers a request of its own, unless the test never lets the model.</summary>
    public Task<ChatResult> AnswerAsync(
        PendingChat chat,
        ScriptedModel model,
        CancellationTokenSource? caller = null,
        TimeSpan? timeout = null,
        IReplySink? sink = null,
        Func<CancellationToken, Task<IReadOnlyList<ChatMessage>>>? memory = null) => Pipeline.RunAsync(
        Latest = OfItsOwn(chat),
        new(model.Model(chat.Most, timeout), [new(ChatRole.User, chat.Message)]) { Memory = memory },
        sink,
        caller?.Token ?? CancellationToken).Soon();

    /// <summary>Holds, and leaves the model to think for ever.</summary>
    public async Task LeaveAsync(params PendingChat[] chats)
    {
        foreach (var chat in chats)
        {
            var model = ScriptedModel.NeverAnswers();
            _ = AnswerAsync(chat, model);
            await model.Asked.Soon();
        }
    }

    public Task RenewAsync() => Keeper.RenewAsync(CancellationToken).Soon();

    public Task SweepAsync() => Keeper.SweepAsync(CancellationToken).Soon();

    /// <summary>Renews without a gap for as long as a replica must before it sweeps.</summary>
    public async Task BecomeSteadyAsync()
    {
        for (var round = 0; round <= 6; round++)
        {
            await RenewAsync();
            Clock.Move(_settings.DeadAfter / 6);
        }

        await RenewAsync();
    }

    /// <summary>The same request, sent once more.</summary>
    private static PendingChat OfItsOwn(PendingChat chat) => chat with { Holder = Guid.CreateVersion7() };

    public void Dispose()
    {
        Keeper.Dispose();
        Running.Dispose();
        _services.Dispose();
    }
}

/// <summary>A clock that moves when it is told to.</summary>
internal sealed class ManualClock : TimeProvider
{
    private long _ticks = TimeSpan.TicksPerDay;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public void Move(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);

    public override long GetTimestamp() => Volatile.Read(ref _ticks);

    public override DateTimeOffset GetUtcNow() => new(GetTimestamp(), TimeSpan.Zero);
}
