using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Chat.Tests;

/// <summary>
/// A real server that speaks OpenAI's language and does what a test says, request by request; when it has nothing left
/// to do it answers.
/// </summary>
internal sealed class FakeUpstream : IAsyncDisposable
{
    /// <summary>The answer, when nothing else is said.</summary>
    public const string Text = "three small words";

    private readonly WebApplication _app;
    private readonly ConcurrentQueue<Func<HttpContext, Task>> _script = [];
    private readonly ConcurrentQueue<UpstreamRequest> _asked = [];

    private FakeUpstream()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.MapPost("/v1/chat/completions", async (HttpContext context) =>
        {
            var body = (await JsonSerializer.DeserializeAsync<JsonObject>(context.Request.Body))!;
            _asked.Enqueue(new(body, context.Request.Headers.Authorization, TimeProvider.System.GetTimestamp()));
            context.Items["usage"] = (bool?)body["stream_options"]?["include_usage"] ?? false;
            await (_script.TryDequeue(out var does) ? does : Answer)(context);
        });
    }

    /// <summary>The requests so far, in order.</summary>
    public IReadOnlyList<UpstreamRequest> Asked => [.. _asked];

    /// <summary>What to configure as <c>Endpoint</c>.</summary>
    public string Endpoint => $"{_app.Urls.Single()}/v1";

    public static async Task<FakeUpstream> StartAsync(params Func<HttpContext, Task>[] script)
    {
        var upstream = new FakeUpstream();
        Array.ForEach(script, upstream._script.Enqueue);
        await upstream._app.StartAsync(TestContext.Current.CancellationToken).Soon();
        return upstream;
    }

    /// <summary>Answers in pieces.</summary>
    public static async Task Answer(HttpContext context)
    {
        await SayAsync(context, Text.Split(' '));
        await EndAsync(context);
    }

    /// <summary>Sends what a test says, event by event.</summary>
    /// <param name="events">What stands behind <c>data:</c>.</param>
    public static Func<HttpContext, Task> Send(params string[] events) => async context =>
    {
        await BeginAsync(context);
        foreach (var item in events)
        {
            await context.Response.WriteAsync($"data: {item}\n\n");
        }
    };

    /// <summary>Answers with nothing, and ends well.</summary>
    public static async Task AnswerWithoutText(HttpContext context)
    {
        await SayAsync(context, [""]);
        await EndAsync(context);
    }

    /// <summary>Answers in one piece though it is asked for a stream, as endpoints do that cannot stream.</summary>
    public static Task AnswerInOnePiece(HttpContext context) => context.Response.WriteAsJsonAsync(new
    {
        id = "up-1",
        @object = "chat.completion",
        created = 1,
        model = "upstream",
        choices = new[]
        {
            new { index = 0, message = new { role = "assistant", content = Text }, finish_reason = "length" },
        },
        usage = new { prompt_tokens = 11, completion_tokens = 7, total_tokens = 18 },
    });

    /// <summary>Fails, with an error that repeats the key as some endpoints do.</summary>
    public static Func<HttpContext, Task> Fail(
        HttpStatusCode status = HttpStatusCode.InternalServerError, string? retryAfter = null) => context =>
    {
        context.Response.StatusCode = (int)status;
        context.Response.Headers.RetryAfter = retryAfter;
        var key = context.Request.Headers.Authorization.ToString();
        return context.Response.WriteAsJsonAsync(new { error = new { message = $"Refused: {key}", type = "t" } });
    };

    /// <summary>Says nothing, not even a status, until the caller goes.</summary>
    public static Task StallBefore(HttpContext context) => GoneAsync(context);

    /// <summary>Begins a stream and says nothing in it until the caller goes.</summary>
    public static async Task StallAfterTheHeaders(HttpContext context)
    {
        await BeginAsync(context);
        await GoneAsync(context);
    }

    /// <summary>Begins a stream with a sign of life and says nothing more until the caller goes.</summary>
    public static async Task StallBehindAComment(HttpContext context)
    {
        await BeginAsync(context);
        await context.Response.WriteAsync(": thinking\n\n");
        await GoneAsync(context);
    }

    /// <summary>Says two words and then nothing until the caller goes.</summary>
    public static async Task StallAfterTwoWords(HttpContext context)
    {
        await SayAsync(context, ["two", "words"]);
        await GoneAsync(context);
    }

    /// <summary>Hangs up before it has said anything.</summary>
    public static Task HangUp(HttpContext context)
    {
        context.Abort();
        return Task.CompletedTask;
    }

    /// <summary>Begins a stream and hangs up.</summary>
    public static async Task HangUpAfterTheHeaders(HttpContext context)
    {
        await BeginAsync(context);
        throw new InvalidOperationException("Unlike Abort, this lets out what was written before it hangs up.");
    }

    /// <summary>Says two words and hangs up when they are heard: earlier they would be lost.</summary>
    public static Func<HttpContext, Task> Cut(Task heard) => async context =>
    {
        await SayAsync(context, ["two", "words"]);
        await heard.WaitAsync(context.RequestAborted);
        context.Abort();
    };

    /// <summary>Says two words and ends as if that were all, without a reason for the end.</summary>
    public static Task EndWithoutAReason(HttpContext context) => SayAsync(context, ["two", "words"]);

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static async Task BeginAsync(HttpContext context)
    {
        context.Response.ContentType = "text/event-stream";
        await context.Response.Body.FlushAsync();
    }

    private static async Task SayAsync(HttpContext context, string[] words)
    {
        await BeginAsync(context);
        foreach (var (n, word) in words.Index())
        {
            var text = n == 0 ? word : $" {word}";
            await SendAsync(context, $$"""{"index":0,"delta":{"content":"{{text}}"},"finish_reason":null}""");
        }
    }

    /// <summary>Says why it ends, and its figures where they are asked for.</summary>
    private static async Task EndAsync(HttpContext context)
    {
        await SendAsync(context, """{"index":0,"delta":{},"finish_reason":"length"}""");
        if (context.Items["usage"] is true)
        {
            await WriteAsync(
                context, """ "choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18} """);
        }

        await context.Response.WriteAsync("data: [DONE]\n\n");
    }

    private static Task SendAsync(HttpContext context, string choice) =>
        WriteAsync(context, $"\"choices\":[{choice}]");

    private static async Task WriteAsync(HttpContext context, string rest)
    {
        const string Begin = """{"id":"up-1","object":"chat.completion.chunk","created":1,"model":"upstream",""";
        await context.Response.WriteAsync($"data: {Begin}{rest.Trim()}}}\n\n");
        await context.Response.Body.FlushAsync();
    }

    private static Task GoneAsync(HttpContext context) =>
        Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
}

/// <summary>A request as the endpoint saw it.</summary>
internal sealed record UpstreamRequest(JsonObject Body, string? Authorization, long At);
