using System.Threading.Channels;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Eventing;

namespace Aspire.Local.Tests;

/// <summary>Subscribers are told what happens to real processes, when it does.</summary>
public sealed class LifecycleEventTests : IAsyncDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    private readonly IDistributedApplicationTestingBuilder _builder = DistributedApplicationTestingBuilder.Create();
    private readonly Channel<string> _heard = Channel.CreateUnbounded<string>();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _builder.DisposeAsync();

    [Fact]
    public async Task Application_Started_PublishesEachStepInItsOrder()
    {
        Hear<BeforeStartEvent>(_ => "before start");
        Hear<BeforeResourceStartedEvent>(e => $"before {e.Resource.Name}");
        Hear<ResourceReadyEvent>(e => $"{e.Resource.Name} ready");
        Hear<AfterResourcesCreatedEvent>(e => $"after {e.Model.Resources.Count} created");
        var first = Server("first");
        var second = Server("second").WaitFor(first);

        // A resource is announced before it waits: here the one waited for starts only after that.
        var announced = new TaskCompletionSource();
        _builder.Eventing.Subscribe<BeforeResourceStartedEvent>(first.Resource, (_, _) => announced.Task);
        _builder.Eventing.Subscribe<BeforeResourceStartedEvent>(
            second.Resource, (_, _) => Task.FromResult(announced.TrySetResult()));
        await StartAsync();
        var steps = (await NextAsync(6)).ToList();

        Assert.Equal("before start", steps[0]);
        Assert.Equal(["before first", "before second"], steps[1..3].Order());
        Assert.Equal("first ready", steps[3]);
        Assert.Equal(["after 2 created", "second ready"], steps[4..].Order());
    }

    [Fact]
    public async Task Subscriber_OfBeforeStart_MayChangeResources()
    {
        var program = _builder.AddExecutable("program", "sh", ".", "-c", "exit $CODE");
        _builder.Eventing.Subscribe<BeforeStartEvent>((e, _) =>
        {
            Assert.Same(program.Resource, e.Model.Resources.Single());
            program.WithEnvironment("CODE", "7");
            return Task.CompletedTask;
        });
        var app = await StartAsync();
        await ReachesAsync(app, "program", e => e.Snapshot.ExitCode == 7);
    }

    [Fact]
    public async Task Subscriber_OfBeforeStartThatFails_FailsTheStart()
    {
        _builder.Eventing.Subscribe<BeforeStartEvent>((_, _) => throw new InvalidOperationException("not today"));
        Server("server");
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(StartAsync);
        Assert.Equal("not today", failure.Message);
    }

    [Fact]
    public async Task Subscriber_OfBeforeResourceStartedThatFails_FailsThatResourceAlone()
    {
        var broken = Server("broken");
        Server("sound");
        _builder.Eventing.Subscribe<BeforeResourceStartedEvent>(
            broken.Resource, (_, _) => throw new InvalidOperationException("not this one"));
        var app = await StartAsync();
        await ReachesAsync(app, "broken", KnownResourceStates.FailedToStart);
        await ReachesAsync(app, "sound", KnownResourceStates.Running);
    }

    [Fact]
    public async Task Resource_ThatWaitsForAnother_StartsWhenItsReadySubscribersAreDone()
    {
        var file = Path.Combine(Path.GetTempPath(), $"ready-{Guid.NewGuid():N}");
        var first = Server("first");
        _builder.AddExecutable("seed", "touch", ".", file).WithExplicitStart();
        _builder.AddExecutable("second", "rm", ".", file).WaitFor(first);
        DistributedApplication? app = null;
        _builder.Eventing.Subscribe<ResourceReadyEvent>(first.Resource, async (_, cancellationToken) =>
        {
            await app!.ResourceCommands.ExecuteCommandAsync(
                "seed", KnownResourceCommands.StartCommand, cancellationToken);
            await app.ResourceNotifications.WaitForResourceAsync(
                "seed", KnownResourceStates.Finished, cancellationToken);
        });
        app = await _builder.BuildAsync(Cancellation);
        await app.StartAsync(Cancellation).WaitAsync(Timeout, Cancellation);
        var second = await ReachesAsync(app, "second", e => e.Snapshot.ExitCode is not null);
        Assert.Equal(0, second.Snapshot.ExitCode);
    }

    [Fact]
    public async Task Resource_WhoseReadySubscriberFails_KeepsOthersFromStarting()
    {
        var first = Server("first");
        Server("second").WaitFor(first);
        _builder.Eventing.Subscribe<ResourceReadyEvent>(
            first.Resource, (_, _) => throw new InvalidOperationException("no seed"));
        var app = await StartAsync();
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => app.ResourceNotifications
            .WaitForResourceHealthyAsync("first", Cancellation).WaitAsync(Timeout, Cancellation));
        Assert.Equal("no seed", failure.Message);
        await ReachesAsync(app, "second", KnownResourceStates.FailedToStart);
    }

    [Fact]
    public async Task Subscriber_ThatNeverEnds_DoesNotKeepTheApplicationFromEnding()
    {
        var endless = new TaskCompletionSource();
        var held = Server("held");
        _builder.Eventing.Subscribe<BeforeResourceStartedEvent>(held.Resource, (_, _) => endless.Task);
        _builder.Eventing.Subscribe<ResourceReadyEvent>((_, _) => endless.Task);
        Server("server");
        var app = await StartAsync();
        await ReachesAsync(app, "server", KnownResourceStates.Running);
        try
        {
            await app.StopAsync(Cancellation).WaitAsync(Timeout, Cancellation);
        }
        finally
        {
            endless.SetResult();
        }
    }

    [Fact]
    public async Task Resource_StoppedAndStarted_IsSaidToBeSoEachTimeAndReadyOnce()
    {
        Hear<BeforeResourceStartedEvent>(e => $"before {e.Resource.Name}");
        Hear<ResourceReadyEvent>(e => $"{e.Resource.Name} ready");
        Hear<ResourceStoppedEvent>(e => $"{e.Resource.Name} {e.ResourceEvent.Snapshot.State!.Text}");
        Server("server");
        var app = await StartAsync();
        Assert.Equal(["before server", "server ready"], await NextAsync(2));

        await CommandAsync(app, KnownResourceCommands.StopCommand);
        Assert.Equal(["server Finished"], await NextAsync());
        await CommandAsync(app, KnownResourceCommands.StartCommand);
        Assert.Equal(["before server"], await NextAsync());
        await app.ResourceNotifications.WaitForResourceHealthyAsync("server", Cancellation)
            .WaitAsync(Timeout, Cancellation);
        await CommandAsync(app, KnownResourceCommands.StopCommand);
        Assert.Equal(["server Finished"], await NextAsync());
        Assert.False(_heard.Reader.TryPeek(out _));
    }

    [Fact]
    public async Task Resource_ThatStops_TakesItsChildrenAlong()
    {
        Hear<ResourceStoppedEvent>(e => $"{e.Resource.Name} of {e.ResourceEvent.ResourceId}");
        _builder.AddResource(new Part("part", Server("server").Resource));
        var app = await StartAsync();
        await app.ResourceNotifications.WaitForResourceHealthyAsync("part", Cancellation)
            .WaitAsync(Timeout, Cancellation);
        await CommandAsync(app, KnownResourceCommands.StopCommand);
        Assert.Equal(["server of server", "part of server"], await NextAsync(2));
    }

    [Fact]
    public async Task Subscriber_OfResourceStopped_MayStartItAgain()
    {
        var server = Server("server");
        DistributedApplication? app = null;
        _builder.Eventing.Subscribe<ResourceStoppedEvent>(
            server.Resource, (_, _) => CommandAsync(app!, KnownResourceCommands.RestartCommand));
        Hear<BeforeResourceStartedEvent>(e => $"before {e.Resource.Name}");
        app = await StartAsync();
        Assert.Equal(["before server"], await NextAsync());
        await app.ResourceNotifications.WaitForResourceHealthyAsync("server", Cancellation)
            .WaitAsync(Timeout, Cancellation);
        await CommandAsync(app, KnownResourceCommands.StopCommand);
        Assert.Equal(["before server"], await NextAsync());
    }

    /// <summary>A program that runs until it is stopped, and is healthy while it runs.</summary>
    private IResourceBuilder<ExecutableResource> Server(string name) =>
        _builder.AddExecutable(name, "sleep", ".", "600");

    private void Hear<T>(Func<T, string> say) where T : IDistributedApplicationEvent =>
        _builder.Eventing.Subscribe<T>((e, _) =>
        {
            _heard.Writer.TryWrite(say(e));
            return Task.CompletedTask;
        });

    /// <summary>The next things heard.</summary>
    private async Task<IReadOnlyList<string>> NextAsync(int count = 1)
    {
        var next = new List<string>();
        while (next.Count < count)
        {
            next.Add(await _heard.Reader.ReadAsync(Cancellation).AsTask().WaitAsync(Timeout, Cancellation));
        }

        return next;
    }

    private async Task<DistributedApplication> StartAsync()
    {
        var app = await _builder.BuildAsync(Cancellation);
        await app.StartAsync(Cancellation).WaitAsync(Timeout, Cancellation);
        return app;
    }

    private static async Task CommandAsync(DistributedApplication app, string command)
    {
        var result = await app.ResourceCommands.ExecuteCommandAsync("server", command, Cancellation)
            .WaitAsync(Timeout, Cancellation);
        Assert.True(result.Success, result.Message);
    }

    private static Task<ResourceEvent> ReachesAsync(DistributedApplication app, string resource, string state) =>
        ReachesAsync(app, resource, e => e.Snapshot.State?.Text == state);

    private static Task<ResourceEvent> ReachesAsync(
        DistributedApplication app, string resource, Func<ResourceEvent, bool> predicate) =>
        app.ResourceNotifications.WaitForResourceAsync(resource, predicate, Cancellation)
            .WaitAsync(Timeout, Cancellation);

    private sealed class Part(string name, IResource parent) : Resource(name), IResourceWithParent
    {
        public IResource Parent { get; } = parent;
    }
}
