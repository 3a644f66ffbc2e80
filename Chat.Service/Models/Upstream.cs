using System.Net;
using System.Net.Http.Headers;
using Microsoft.Extensions.Http.Resilience;
using Microsoft.Extensions.Options;
using Polly;
using Polly.Retry;
using Polly.Timeout;

namespace Chat.Service.Models;

/// <summary>The way to a model's endpoint: an HTTP client of its own, with retries and a circuit breaker.</summary>
internal static class Upstream
{
    /// <summary>When the whole answer is due: it makes no sense to wait for a retry beyond that.</summary>
    public static readonly HttpRequestOptionsKey<DateTimeOffset> Deadline = new("Chat.Deadline");

    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan MaxRetryDelay = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan BreakWindow = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(2);

    /// <summary>The name of a model's HTTP client.</summary>
    /// <param name="model">The model's name.</param>
    public static string ClientOf(string model) => $"model {model}";

    /// <summary>Adds the models of the configuration, and the ways to their endpoints.</summary>
    /// <param name="builder">The service's builder.</param>
    public static void AddModels(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<ModelSettings>().Configure<IConfiguration>(ModelSettings.Bind).ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<ModelSettings>, ModelRules>();
        builder.Services.AddSingleton<ModelCatalog>();
        foreach (var model in builder.Configuration.GetSection(ModelSettings.Section).GetChildren())
        {
            AddUpstream(builder.Services, model.Key);
        }
    }

    private static void AddUpstream(IServiceCollection services, string model)
    {
        var http = services.AddHttpClient(ClientOf(model), client => client.Timeout = Timeout.InfiniteTimeSpan)
            // The client is kept for ever; its connections follow the endpoint's name all the same.
            .UseSocketsHttpHandler((handler, _) =>
            {
                handler.ConnectTimeout = ConnectTimeout;
                handler.PooledConnectionLifetime = ConnectionLifetime;
                handler.AllowAutoRedirect = false;
            })
            .SetHandlerLifetime(Timeout.InfiniteTimeSpan)
            // What ServiceDefaults gives every client is for neighbours: it would find services by name, and take an
            // answer for lost that is only thought about.
            .ConfigureAdditionalHttpMessageHandlers((handlers, _) => handlers.Clear());
        http.AddResilienceHandler("upstream", (pipeline, context) => Protect(
            pipeline,
            context.ServiceProvider.GetRequiredService<IOptions<ModelSettings>>().Value.Models[model],
            context.ServiceProvider.GetRequiredService<TimeProvider>()));
        http.AddHttpMessageHandler(() => new FirstByteHandler()); // Inside of the above: what it waits for is watched.
    }

    private static void Protect(
        ResiliencePipelineBuilder<HttpResponseMessage> pipeline, ModelOptions model, TimeProvider clock)
    {
        if (model.Retries > 0)
        {
            // It repeats as the answer's Retry-After says, where it says.
            pipeline.AddRetry(new HttpRetryStrategyOptions
            {
                MaxRetryAttempts = model.Retries,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                Delay = RetryDelay,
                MaxDelay = MaxRetryDelay,
                ShouldHandle = args => ValueTask.FromResult(IsPassing(args.Outcome) && IsWorthTheWait(args, clock)),
            });
        }

        pipeline
            .AddCircuitBreaker(new HttpCircuitBreakerStrategyOptions
            {
                FailureRatio = 0.5,
                SamplingDuration = BreakWindow,
                MinimumThroughput = model.BreakAfter,
                BreakDuration = model.BreakFor,
                ShouldHandle = args => ValueTask.FromResult(IsBroken(args.Outcome)),
            })
            .AddTimeout(new HttpTimeoutStrategyOptions
            {
                TimeoutGenerator = _ => ValueTask.FromResult(model.FirstByteTimeout), // May be less than Timeout may.
            });
    }

    private static bool IsPassing(Outcome<HttpResponseMessage> outcome) =>
        outcome.Exception is HttpRequestException || outcome.Result?.StatusCode
            is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError;

    /// <summary>An endpoint that limits rates is well, and says when it can be asked again.</summary>
    private static bool IsBroken(Outcome<HttpResponseMessage> outcome) =>
        outcome.Exception is HttpRequestException or TimeoutRejectedException
        || outcome.Result?.StatusCode is >= HttpStatusCode.InternalServerError;

    private static bool IsWorthTheWait(RetryPredicateArguments<HttpResponseMessage> args, TimeProvider clock)
    {
        var now = clock.GetUtcNow();
        return args.Outcome.Result?.Headers.RetryAfter is not { } header
            || !args.Context.GetRequestMessage()!.Options.TryGetValue(Deadline, out var deadline)
            || now + Wait(header, now) < deadline;
    }

    private static TimeSpan Wait(RetryConditionHeaderValue header, DateTimeOffset now) =>
        header.Delta ?? (header.Date is { } date && date > now ? date - now : TimeSpan.Zero);
}
