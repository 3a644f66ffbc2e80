using System.ComponentModel.DataAnnotations;

namespace Chat.Service.Models;

/// <summary>Which models there are. Read from <c>Chat:DefaultModel</c> and <c>Chat:Models</c>.</summary>
internal sealed class ModelSettings
{
    /// <summary>The section that has a section for each model.</summary>
    public const string Section = "Chat:Models";

    /// <summary>The model for those who name none. Needed where there are several.</summary>
    public string? DefaultModel { get; private set; }

    /// <summary>The models by the names that users call them. Without any there is the mock.</summary>
    public Dictionary<string, ModelOptions> Models { get; } = [];

    /// <summary>
    /// Reads them one by one. As a dictionary, those with a value that does not convert would be left out in silence.
    /// </summary>
    /// <param name="settings">The settings.</param>
    /// <param name="configuration">The configuration.</param>
    public static void Bind(ModelSettings settings, IConfiguration configuration)
    {
        settings.DefaultModel = configuration["Chat:DefaultModel"];
        foreach (var model in configuration.GetSection(Section).GetChildren())
        {
            settings.Models[model.Key] = model.Get<ModelOptions>() ?? new();
        }
    }
}

/// <summary>A model: the section <c>Chat:Models:NAME</c> of the configuration.</summary>
internal sealed class ModelOptions
{
    /// <summary>A model without a model.</summary>
    public const string Mock = "mock";

    /// <summary>A model behind an endpoint that speaks OpenAI's language.</summary>
    public const string OpenAi = "openai";

    /// <summary><see cref="Mock"/> or <see cref="OpenAi"/>.</summary>
    public string? Provider { get; init; }

    /// <summary>
    /// What a chat costs, in credits, whatever the model uses; 0 is free. <c>Chat:Cost</c> when null and there is no
    /// <see cref="Price"/>.
    /// </summary>
    [Range(0, 1_000_000_000)]
    public long? Cost { get; init; }

    /// <summary>What a chat costs by what the model uses, in place of <see cref="Cost"/>.</summary>
    public PriceOptions? Price { get; init; }

    /// <summary>
    /// The most tokens of a reply, whatever is asked for. Needed to hold enough credits: 4,096 where there is a
    /// <see cref="Price"/> and null otherwise, unless it is set.
    /// </summary>
    [Range(1, 10_000_000)]
    public int? MaxOutputTokens { get; init; }

    /// <summary>
    /// How tokens are counted before the model is asked, and where its endpoint reports none:
    /// <see cref="TokenCounter.O200kName"/> or <see cref="TokenCounter.BytesName"/>.
    /// </summary>
    public string Tokenizer { get; init; } = TokenCounter.O200kName;

    /// <summary>What the endpoint's tokenizer may count more than <see cref="Tokenizer"/>: 0.2 is a fifth.</summary>
    [Range(0.0, 10.0)]
    public double Margin { get; init; } = 0.2;

    /// <summary>How long a reply may take, with retries and fallbacks; <c>Chat:ModelTimeout</c> when null.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:10:00")]
    public TimeSpan? Timeout { get; init; }

    /// <summary>
    /// How long a request may take to the first byte of its answer's body. To the first piece of text it may take twice
    /// as long, with retries; then the next model is tried.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:10:00")]
    public TimeSpan FirstByteTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Which models to try in its place, in this order. What is charged stays its own price.</summary>
    public string[] Fallbacks { get; init; } = [];

    /// <summary>What a mock does besides answering.</summary>
    public MockScript Script { get; init; } = new();

    /// <summary>The endpoint, up to and with its version: <c>https://api.example.com/v1</c>.</summary>
    public string? Endpoint { get; init; }

    /// <summary>The key, where the endpoint wants one. Never logged and never shown.</summary>
    public string? ApiKey { get; init; }

    /// <summary>What the endpoint calls the model; its name here when null.</summary>
    public string? Model { get; init; }

    /// <summary>How often to send a request again that was refused or lost before the first byte.</summary>
    [Range(0, 10)]
    public int Retries { get; init; } = 2;

    /// <summary>
    /// Of how many requests within 30 s half must have failed for the endpoint to be left alone for a while.
    /// </summary>
    [Range(2, 10_000)]
    public int BreakAfter { get; init; } = 10;

    /// <summary>How long it is left alone.</summary>
    [Range(typeof(TimeSpan), "00:00:00.500", "01:00:00")]
    public TimeSpan BreakFor { get; init; } = TimeSpan.FromSeconds(15);
}

/// <summary>What 1,000 of a model's tokens cost, in credits; fractions are allowed.</summary>
internal sealed class PriceOptions
{
    /// <summary>Of what the model is told.</summary>
    [Required, Range(0.0, 1_000_000.0)]
    public decimal? Input { get; init; }

    /// <summary>Of what the endpoint has in its cache already; as <see cref="Input"/> when null.</summary>
    [Range(0.0, 1_000_000.0)]
    public decimal? CachedInput { get; init; }

    /// <summary>Of what the model says.</summary>
    [Required, Range(0.0, 1_000_000.0)]
    public decimal? Output { get; init; }

    /// <summary>What a chat costs at least, in credits.</summary>
    [Range(0, 1_000_000_000)]
    public long Minimum { get; init; }
}

/// <summary>What a mock does besides answering.</summary>
internal sealed record MockScript
{
    /// <summary>How long it waits before the answer.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan Delay { get; init; }

    /// <summary>After how many words it fails; never when null.</summary>
    [Range(0, int.MaxValue)]
    public int? Error { get; init; }

    /// <summary>After how many words it falls silent; never when null.</summary>
    [Range(0, int.MaxValue)]
    public int? Stall { get; init; }

    /// <summary>After how many words the answer ends without saying so; never when null.</summary>
    [Range(0, int.MaxValue)]
    public int? Cut { get; init; }
}
