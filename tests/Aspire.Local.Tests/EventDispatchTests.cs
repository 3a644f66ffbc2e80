using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Eventing;

namespace Aspire.Local.Tests;

/// <summary>Who is told of an event, in which order, and who waits for whom.</summary>
public sealed class EventDispatchTests
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    private readonly DistributedApplicationEventing _eventing = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Subscriber_OfOneResource_HearsOfNoOther()
    {
        var (one, other) = (new Thing("one"), new Thing("other"));
        var heard = new List<string>();
        _eventing.Subscribe<Happened>(one, (e, _) => Hear(e));
        await _eventing.PublishAsync(new Happened(other), Cancellation);
        await _eventing.PublishAsync(new Happened(one), Cancellation);
        Assert.Equal(["one"], heard);

        Task Hear(Happened e)
        {
            heard.Add(e.Resource.Name);
            return Task.CompletedTask;
        }
    }

    [Fact]
    public async Task Subscriber_Unsubscribed_HearsNoMore()
    {
        var (left, stayed) = (0, 0);
        var leaving = _eventing.Subscribe<Happened>((_, _) => Task.FromResult(++left));
        _eventing.Subscribe<Happened>((_, _) => Task.FromResult(++stayed));
        await _eventing.PublishAsync(new Happened(new Thing("one")), Cancellation);
        _eventing.Unsubscribe(leaving);
        await _eventing.PublishAsync(new Happened(new Thing("one")), Cancellation);
        Assert.Equal((1, 2), (left, stayed));
    }

    [Fact]
    public void Subscriber_OfAnInterface_IsRefused() => Assert.Throws<ArgumentException>(
        () => _eventing.Subscribe<IDistributedApplicationEvent>((_, _) => Task.CompletedTask));

    [Fact]
    public async Task Subscribers_InSequence_AreCalledOneAfterTheOther()
    {
        var mayEnd = new TaskCompletionSource();
        var secondWasCalled = false;
        _eventing.Subscribe<Happened>((_, _) => mayEnd.Task);
        _eventing.Subscribe<Happened>((_, _) => Task.FromResult(secondWasCalled = true));
        var publishing = _eventing.PublishAsync(
            new Happened(new Thing("one")), EventDispatchBehavior.BlockingSequential, Cancellation);
        Assert.False(secondWasCalled);
        Assert.False(publishing.IsCompleted);

        mayEnd.SetResult();
        await publishing.WaitAsync(Timeout, Cancellation);
        Assert.True(secondWasCalled);
    }

    [Theory]
    [InlineData(EventDispatchBehavior.BlockingConcurrent)]
    [InlineData(EventDispatchBehavior.NonBlockingConcurrent)]
    public async Task Subscribers_AtOnce_DoNotWaitForEachOther(EventDispatchBehavior behavior)
    {
        var (firstEnded, secondCalled) = (new TaskCompletionSource(), new TaskCompletionSource());
        _eventing.Subscribe<Happened>(async (_, _) =>
        {
            await secondCalled.Task;
            firstEnded.SetResult();
        });
        _eventing.Subscribe<Happened>((_, _) => Task.FromResult(secondCalled.TrySetResult()));
        await _eventing.PublishAsync(new Happened(new Thing("one")), behavior, Cancellation)
            .WaitAsync(Timeout, Cancellation);
        await firstEnded.Task.WaitAsync(Timeout, Cancellation);
    }

    [Theory]
    [InlineData(EventDispatchBehavior.NonBlockingSequential)]
    [InlineData(EventDispatchBehavior.NonBlockingConcurrent)]
    public async Task Publisher_ThatDoesNotBlock_IsDoneBeforeItsSubscribers(EventDispatchBehavior behavior)
    {
        var (mayEnd, ended) = (new TaskCompletionSource(), new TaskCompletionSource());
        _eventing.Subscribe<Happened>(async (_, _) =>
        {
            await mayEnd.Task;
            ended.SetResult();
        });
        await _eventing.PublishAsync(new Happened(new Thing("one")), behavior, Cancellation)
            .WaitAsync(Timeout, Cancellation);
        Assert.False(ended.Task.IsCompleted);
        mayEnd.SetResult();
        await ended.Task.WaitAsync(Timeout, Cancellation);
    }

    [Fact]
    public async Task Publisher_WhoseSubscriberFails_FailsAndCallsNoFurther()
    {
        var furtherWasCalled = false;
        _eventing.Subscribe<Happened>((_, _) => throw new InvalidOperationException("broken"));
        _eventing.Subscribe<Happened>((_, _) => Task.FromResult(furtherWasCalled = true));
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(
            () => _eventing.PublishAsync(new Happened(new Thing("one")), Cancellation));
        Assert.Equal("broken", failure.Message);
        Assert.False(furtherWasCalled);
    }

    private sealed class Happened(IResource resource) : IDistributedApplicationResourceEvent
    {
        public IResource Resource { get; } = resource;
    }

    private sealed class Thing(string name) : Resource(name);
}
