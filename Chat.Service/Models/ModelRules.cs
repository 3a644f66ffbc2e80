using System.ComponentModel.DataAnnotations;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Options;

namespace Chat.Service.Models;

/// <summary>What models must be configured like. Each fault is a sentence that names where it is.</summary>
/// <param name="configuration">Shows names of settings that nothing reads.</param>
internal sealed partial class ModelRules(IConfiguration configuration) : IValidateOptions<ModelSettings>
{
    private static readonly string[] ForAll =
    [
        nameof(ModelOptions.Provider), nameof(ModelOptions.Cost), nameof(ModelOptions.Price),
        nameof(ModelOptions.MaxOutputTokens), nameof(ModelOptions.Tokenizer), nameof(ModelOptions.Margin),
        nameof(ModelOptions.Timeout), nameof(ModelOptions.FirstByteTimeout), nameof(ModelOptions.Fallbacks),
    ];

    private static readonly string[] ForMocks = [.. ForAll, nameof(ModelOptions.Script)];

    private static readonly string[] ForEndpoints =
    [
        .. ForAll,
        nameof(ModelOptions.Endpoint), nameof(ModelOptions.ApiKey), nameof(ModelOptions.Model),
        nameof(ModelOptions.Retries), nameof(ModelOptions.BreakAfter), nameof(ModelOptions.BreakFor),
    ];

    private static readonly string[] OfScripts =
        [nameof(MockScript.Delay), nameof(MockScript.Error), nameof(MockScript.Stall), nameof(MockScript.Cut)];

    private static readonly string[] OfPrices =
    [
        nameof(PriceOptions.Input), nameof(PriceOptions.CachedInput), nameof(PriceOptions.Output),
        nameof(PriceOptions.Minimum),
    ];

    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, ModelSettings options)
    {
        var faults = options.Models.SelectMany(model => Faults(model.Key, model.Value, options))
            .Concat(DefaultFaults(options))
            .ToList();
        return faults.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(faults);
    }

    private static IEnumerable<string> DefaultFaults(ModelSettings settings)
    {
        var names = string.Join(", ", settings.Models.Keys);
        if (settings.DefaultModel is { } name)
        {
            if (!settings.Has(name))
            {
                yield return $"Chat:DefaultModel is '{name}', which is no model: use "
                    + (names.Length == 0 ? $"{MockChatClient.ModelId}." : $"one of {names}.");
            }
        }
        else if (settings.Models.Count > 1)
        {
            yield return $"There are several models: name one of {names} as Chat:DefaultModel.";
        }
    }

    private IEnumerable<string> Faults(string name, ModelOptions model, ModelSettings settings)
    {
        var place = $"{ModelSettings.Section}:{name}";
        if (!Name().IsMatch(name))
        {
            yield return $"{place}: a model's name has 1 to 100 letters, digits, '.', '_', '-' or '/', none of the "
                + "last four first.";
        }

        var unfit = new List<ValidationResult>();
        Validator.TryValidateObject(model, new(model), unfit, validateAllProperties: true);
        Validator.TryValidateObject(model.Script, new(model.Script), unfit, validateAllProperties: true);
        if (model.Price is { } price)
        {
            Validator.TryValidateObject(price, new(price), unfit, validateAllProperties: true);
        }

        foreach (var fault in unfit)
        {
            yield return $"{place}: {fault.ErrorMessage}";
        }

        var faults = model.ProviderOf(name) switch
        {
            ModelOptions.Mock => Unknown(place, ForMocks).Concat(Unknown($"{place}:Script", OfScripts)),
            ModelOptions.OpenAi => Unknown(place, ForEndpoints).Concat(EndpointFaults(place, model)),
            null => [$"{place}:Provider is missing: use '{ModelOptions.Mock}' or '{ModelOptions.OpenAi}'."],
            var other =>
                [$"{place}:Provider is '{other}': use '{ModelOptions.Mock}' or '{ModelOptions.OpenAi}'."],
        };
        foreach (var fault in faults
            .Concat(PriceFaults(place, model)).Concat(FallbackFaults(place, name, model, settings)))
        {
            yield return fault;
        }
    }

    private IEnumerable<string> PriceFaults(string place, ModelOptions model)
    {
        if (model.Price is null && configuration[$"{place}:Price"] is not null)
        {
            yield return $"{place}:Price has no single value: set {string.Join(", ", OfPrices)} under it.";
        }

        if (model is { Price: not null, Cost: not null })
        {
            yield return $"{place} has a Cost and a Price: leave out one of them.";
        }

        if (model.Price is { Input: { } input, CachedInput: { } cached } && cached > input)
        {
            // What is held covers input that nothing of is cached.
            yield return $"{place}:Price:CachedInput is more than Input: it must not be.";
        }

        if (model.Tokenizer is not (TokenCounter.BytesName or TokenCounter.O200kName))
        {
            yield return $"{place}:Tokenizer is '{model.Tokenizer}': use '{TokenCounter.O200kName}' or "
                + $"'{TokenCounter.BytesName}'.";
        }

        foreach (var fault in Unknown($"{place}:Price", OfPrices))
        {
            yield return fault;
        }
    }

    private static IEnumerable<string> EndpointFaults(string place, ModelOptions model)
    {
        if (!Uri.TryCreate(model.Endpoint, UriKind.Absolute, out var endpoint)
            || endpoint.Scheme is not ("http" or "https")
            || endpoint is not { UserInfo: "", Query: "", Fragment: "" })
        {
            // It is not repeated here: it may hold a secret that does not belong there.
            yield return $"{place}:Endpoint must be an address such as https://api.example.com/v1, without user, "
                + "password or query.";
        }

        if (model.ApiKey is { } key && (key.Length == 0 || key.Any(c => c is <= ' ' or > '~')))
        {
            yield return $"{place}:ApiKey must be of visible ASCII characters; leave it out where none is wanted.";
        }

        if (string.IsNullOrWhiteSpace(model.Model ?? "it has the name"))
        {
            yield return $"{place}:Model is empty: leave it out where it is the same as the name.";
        }
    }

    private static IEnumerable<string> FallbackFaults(
        string place, string name, ModelOptions model, ModelSettings settings)
    {
        foreach (var fallback in model.Fallbacks.Where(fallback => fallback == name || !settings.Has(fallback)))
        {
            yield return fallback == name
                ? $"{place}:Fallbacks names the model itself: leave it out."
                : $"{place}:Fallbacks names '{fallback}', which is no model: use names under {ModelSettings.Section}.";
        }

        if (model.Fallbacks.Distinct(StringComparer.Ordinal).Count() < model.Fallbacks.Length)
        {
            yield return $"{place}:Fallbacks names a model twice: name each once.";
        }
    }

    private IEnumerable<string> Unknown(string place, string[] known) => configuration.GetSection(place).GetChildren()
        .Where(setting => !known.Contains(setting.Key, StringComparer.OrdinalIgnoreCase))
        .Select(setting => $"{setting.Path} is no setting of such a model: use {string.Join(", ", known)}.");

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$", RegexOptions.CultureInvariant)]
    private static partial Regex Name();
}

/// <summary>What is not written follows from the rest.</summary>
internal static class ModelDefaults
{
    /// <summary>Whether there is a model of a name; the mock is there where no other is.</summary>
    /// <param name="settings">The models.</param>
    /// <param name="name">The name.</param>
    public static bool Has(this ModelSettings settings, string name) =>
        settings.Models.Count == 0 ? name == MockChatClient.ModelId : settings.Models.ContainsKey(name);

    /// <summary>A model's provider: of one named mock it need not be said.</summary>
    /// <param name="model">The model.</param>
    /// <param name="name">Its name.</param>
    public static string? ProviderOf(this ModelOptions model, string name) =>
        model.Provider ?? (name == MockChatClient.ModelId ? ModelOptions.Mock : null);
}
