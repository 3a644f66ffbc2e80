using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Security.Claims;
using System.Text.Encodings.Web;
using System.Text.Json;
using Chat.Service;
using Chat.Service.Chats;
using Chat.Service.Conversations;
using Chat.Service.Ledger;
using Chat.Service.Models;
using Chat.Service.Usage;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Chat.Tests;

/// <summary>
/// The service's own calls over real HTTP, with a ledger of a test's own. Who calls is said by <c>X-User</c>,
/// <c>X-Key</c> and <c>X-Role</c>, and
/// <c>POST /scripted</c> is <c>POST /api/chat</c> with <see cref="Model"/>.
/// </summary>
internal sealed class ChatHost : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly TaskCompletionSource _abandoned = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ChatHost(ChatDatabase database, TestLedger ledger, ChatSettings settings)
    {
        Ledger = ledger;
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.AddModels();
        builder.AddChats();
        var services = builder.Services;
        services.RemoveAll<IHostedService>(); // What keeps the holds has tests of its own.
        services.AddProblems();
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(Options.Create(settings));
        services.AddSingleton(database.Source);
        services.AddDbContext<ChatDb>(
            options => options.UseNpgsql(database.Source).UseSnakeCaseNamingConvention());
        services.AddSingleton<LedgerClient>();
        services.AddHttpClient(LedgerClient.ClientName, client => client.BaseAddress = ledger.Address);
        services.AddAuthentication("test").AddScheme<AuthenticationSchemeOptions, ByHeader>("test", null);
        var authorization = services.AddAuthorizationBuilder();
        foreach (var policy in (string[])[Tokens.UserPolicy, Tokens.LoginPolicy, .. ApiKeys.Scopes])
        {
            authorization.AddPolicy(policy, allowed => allowed.RequireAuthenticatedUser());
        }

        _app = builder.Build();
        _app.UseProblems();
        _app.UseAuthentication();
        _app.UseAuthorization();
        _app.MapChats();
        _app.MapHistory();
        _app.MapConversations();
        _app.MapUsage();
        _app.MapPost("/scripted", SendScripted).RequireAuthorization(Tokens.UserPolicy);
        Running = _app.Services.GetRequiredService<RunningChats>();
    }

    /// <summary>Answers what is sent to <c>/scripted</c>.</summary>
    public ScriptedModel Model { get; set; } = ScriptedModel.Answers("hi");

    public TestLedger Ledger { get; }

    public RunningChats Running { get; }

    /// <summary>Ends when the service knows that a client of <c>/scripted</c> has gone.</summary>
    public Task Abandoned => _abandoned.Task;

    public Uri Address => new(_app.Urls.Single());

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public static async Task<ChatHost> StartAsync(ChatDatabase database, ChatSettings? settings = null)
    {
        var host = new ChatHost(database, await TestLedger.StartAsync(), settings ?? new ChatSettings());
        await host._app.StartAsync(CancellationToken).Soon();
        return host;
    }

    /// <summary>A client of a user of its own.</summary>
    public HttpClient NewClient(long? user = null)
    {
        var client = new HttpClient { BaseAddress = Address, Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.Add("X-User", $"{user ?? Random.Shared.NextInt64(1_000_000, long.MaxValue)}");
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        await Ledger.DisposeAsync();
    }

    private async Task<IResult> SendScripted(
        ChatRequest request,
        [FromHeader(Name = IdempotencyKey.Header)] string? key,
        ClaimsPrincipal user,
        Memory memory,
        ChatRendering rendering,
        IOptions<ChatSettings> options,
        HttpContext http,
        CancellationToken cancellationToken)
    {
        cancellationToken.Register(() => _abandoned.TrySetResult()); // For good: what ends first would take it back.
        var chat = PendingChat.New(user.GetUserId(), "chat", key, request.Message) with
        {
            Conversation = request.Conversation,
            Key = user.GetApiKey(),
        };
        var model = Model.Model(options.Value.Cost, options.Value.ModelTimeout);
        var prompt = new Prompt(model, [new(ChatRole.User, request.Message)])
        {
            Memory = memory.Of(chat.UserId, request.Conversation, request.Message.Length),
        };
        return (await ChatApi.AnswerAsync(chat, prompt, rendering, http)).Result;
    }

    private sealed class ByHeader(
        IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder)
        : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
    {
        protected override Task<AuthenticateResult> HandleAuthenticateAsync() =>
            Task.FromResult(Request.Headers["X-User"] is [{ } user]
                ? AuthenticateResult.Success(
                    new(new(new ClaimsIdentity([new Claim("sub", user), .. More()], Scheme.Name)), Scheme.Name))
                : AuthenticateResult.NoResult());

        private IEnumerable<Claim> More()
        {
            if (Request.Headers["X-Key"] is [{ } key])
            {
                yield return new(ApiKeys.IdClaim, key);
            }

            if (Request.Headers["X-Role"] is [{ } role])
            {
                yield return new(ClaimTypes.Role, role);
            }
        }
    }
}

/// <summary>The calls, as a client makes them.</summary>
internal static class ChatCalls
{
    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    /// <summary>Asks for events; the answer is there when its head is.</summary>
    public static Task<HttpResponseMessage> StreamAsync(
        this HttpClient client, string path, object body, string? key = null, CancellationToken? cancellation = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body) };
        request.Headers.Accept.Add(new("text/event-stream"));
        if (key is not null)
        {
            request.Headers.Add(IdempotencyKey.Header, key);
        }

        return client.SendAsync(
            request, HttpCompletionOption.ResponseHeadersRead, cancellation ?? CancellationToken).Soon();
    }

    public static Task<HttpResponseMessage> CallAsync(
        this HttpClient client, HttpMethod method, string path, object? body = null, string? key = null)
    {
        var request = new HttpRequestMessage(method, path)
        {
            Content = body is null ? null : JsonContent.Create(body),
        };
        if (key is not null)
        {
            request.Headers.Add(IdempotencyKey.Header, key);
        }

        return client.SendAsync(request, CancellationToken).Soon();
    }

    /// <summary>All events of a stream, to its end.</summary>
    public static async Task<List<(string Name, JsonElement Data)>> EventsAsync(this HttpResponseMessage response)
    {
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        await using var body = await response.Content.ReadAsStreamAsync(CancellationToken).Soon();
        var events = new List<(string, JsonElement)>();
        await foreach (var item in SseParser.Create(body).EnumerateAsync(CancellationToken))
        {
            events.Add((item.EventType, JsonElement.Parse(item.Data)));
        }

        return events;
    }

    /// <summary>One chat as the lists show it.</summary>
    public static string WithoutUsage(this JsonElement chat) => chat.GetRawText().Split(",\"usage\":")[0] + "}";

    public static async Task<JsonElement> JsonAsync(
        this Task<HttpResponseMessage> call, System.Net.HttpStatusCode expected)
    {
        using var response = await call;
        var text = await response.Content.ReadAsStringAsync(CancellationToken).Soon();
        Assert.True(response.StatusCode == expected, $"Expected {expected}, got {response.StatusCode}: {text}");
        return text.Length == 0 ? default : JsonElement.Parse(text);
    }

    /// <summary>An error, of which all say the same things.</summary>
    public static async Task<string> ProblemAsync(
        this Task<HttpResponseMessage> call, System.Net.HttpStatusCode expected)
    {
        var problem = await call.JsonAsync(expected);
        Assert.Equal("application/problem+json", (await call).Content.Headers.ContentType?.MediaType);
        Assert.False(string.IsNullOrEmpty(problem.GetProperty("traceId").GetString()));
        Assert.False(string.IsNullOrEmpty(problem.GetProperty("detail").GetString()));
        return problem.TryGetProperty("code", out var code) ? code.GetString()! : "";
    }
}
