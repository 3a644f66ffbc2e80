using Chat.Service.Models;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Hosting;

namespace Chat.Tests;

/// <summary>A mock does what its configuration says, and in Development what messages ask for.</summary>
public sealed class MockScriptTests
{
    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Script:Error=0", "[[error]]", "")]
    [InlineData("Script:Error=2", "[[error 2]]", "AI Response")]
    [InlineData("Script:Cut=0", "[[cut]]", "")]
    [InlineData("Script:Cut=3", "[[cut 3]]", "AI Response to:")]
    public async Task Mock_ThatIsToldToFail_FailsThere(string setting, string directive, string said)
    {
        using var scripted = ModelHost.Create("Chat:Models:mock:" + setting);
        using var directed = ModelHost.CreateIn(Environments.Development);
        await AssertFailsAsync(scripted, "hello", said);
        await AssertFailsAsync(directed, $"hello {directive}", said);
    }

    [Theory]
    [InlineData("Script:Stall=0", "[[stall]]", "")]
    [InlineData("Script:Stall=1", "[[stall 1]]", "AI")]
    public async Task Mock_ThatIsToldToStall_SaysNoMore(string setting, string directive, string said)
    {
        using var scripted = ModelHost.Create("Chat:Models:mock:" + setting);
        using var directed = ModelHost.CreateIn(Environments.Development);
        await AssertStallsAsync(scripted, "hello", said);
        await AssertStallsAsync(directed, $"hello {directive}", said);
    }

    [Theory]
    [InlineData("hello", "00:00:00.400")]
    [InlineData("hello [[delay 400ms]]", "00:00:00")]
    public async Task Mock_ThatIsToldToWait_Waits(string message, string delay)
    {
        using var host = ModelHost.CreateIn(Environments.Development, $"Chat:Models:mock:Script:Delay={delay}");
        var began = TimeProvider.System.GetTimestamp();
        await Model(host).GetResponseAsync(message, cancellationToken: CancellationToken).Soon();
        Assert.True(TimeProvider.System.GetElapsedTime(began) > TimeSpan.FromSeconds(0.39));
    }

    [Theory]
    [InlineData("[[error]]")]
    [InlineData("[[stall]] [[cut 1]] [[delay 60s]]")]
    public async Task Directive_OutsideDevelopment_IsText(string message)
    {
        using var host = ModelHost.Create();
        await AssertAnswersAsync(host, message);
    }

    [Theory]
    [InlineData("[[Error]]")]
    [InlineData("[[error -1]]")]
    [InlineData("[[error 123456]]")]
    [InlineData("[error]")]
    [InlineData("[[delay]]")]
    [InlineData("[[delay 5h]]")]
    [InlineData("[[")]
    public async Task Directive_ThatIsNone_IsText(string message)
    {
        using var host = ModelHost.CreateIn(Environments.Development);
        await AssertAnswersAsync(host, message);
    }

    private static IChatClient Model(ModelHost host) => host.Models.Find(null)!.Client;

    private static async Task AssertAnswersAsync(ModelHost host, string message)
    {
        var response = await Model(host).GetResponseAsync(message, cancellationToken: CancellationToken).Soon();
        Assert.Equal($"AI Response to: {message}", response.Text);
    }

    private static async Task AssertFailsAsync(ModelHost host, string message, string said)
    {
        var prompt = new Prompt(host.Models.Find(null)!, [new(ChatRole.User, message)]);
        var whole = await Record.ExceptionAsync(
            () => new ReplyDraft(prompt).AskAsync(sink: null, 100, CancellationToken).Soon());
        Assert.True(whole is ModelException or InvalidDataException, whole?.ToString());
        var (text, finishReason, failed) = await StreamAsync(host, message, CancellationToken);
        Assert.Equal((said, null), (text, finishReason));
        Assert.True(failed is ModelException or null, failed?.ToString());
    }

    private static async Task AssertStallsAsync(ModelHost host, string message, string said)
    {
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(CancellationToken);
        caller.CancelAfter(TimeSpan.FromMilliseconds(300));
        var (text, _, failed) = await StreamAsync(host, message, caller.Token);
        Assert.Equal(said, text);
        Assert.IsType<OperationCanceledException>(failed, exactMatch: false);
    }

    private static async Task<(string Text, ChatFinishReason? FinishReason, Exception? Failed)> StreamAsync(
        ModelHost host, string message, CancellationToken cancellationToken)
    {
        var text = "";
        ChatFinishReason? finishReason = null;
        async Task ReadAsync()
        {
            await foreach (var update in Model(host)
                .GetStreamingResponseAsync(message, cancellationToken: cancellationToken))
            {
                text += update.Text;
                finishReason = update.FinishReason ?? finishReason;
            }
        }

        var failed = await Record.ExceptionAsync(() => ReadAsync().Soon());
        return (text, finishReason, failed);
    }
}
