using Microsoft.Extensions.Options;

namespace Chat.Tests;

/// <summary>Which models a configuration makes, and which configurations stop the service at start.</summary>
public sealed class ModelSettingsTests
{
    private const string Mock = "Chat:Models:m:Provider=mock";

    private static readonly string[] Endpoint =
        ["Chat:Models:e:Provider=openai", "Chat:Models:e:Endpoint=https://api.example.com/v1"];

    [Fact]
    public async Task Models_WithoutAnyConfigured_AreTheMockAtTheUsualPrice()
    {
        using var host = ModelHost.Create("Chat:Cost=12");
        await host.StartAsync();
        var model = Assert.Single(host.Models.All);
        Assert.Equal(("mock", (long?)12, TimeSpan.FromSeconds(60)), (model.Name, model.Price.Request, model.Timeout));
        Assert.Same(model, host.Models.Find(null));
    }

    [Fact]
    public async Task Models_Configured_HaveTheirOwnPricesAndTheDefaultFirst()
    {
        using var host = ModelHost.Create(
        [
            "Chat:DefaultModel=e", "Chat:Cost=12", Mock, .. Endpoint, "Chat:Models:e:Cost=250",
            "Chat:Models:e:Timeout=00:02:00",
        ]);
        await host.StartAsync();
        Assert.Equal(["e", "m"], host.Models.All.Select(model => model.Name));
        var first = host.Models.Find(null)!;
        Assert.Equal(((long?)250, TimeSpan.FromMinutes(2)), (first.Price.Request, first.Timeout));
        Assert.Equal(12, host.Models.Find("m")!.Price.Request);
        Assert.Null(host.Models.Find("mock"));
        Assert.Null(host.Models.Find("E"));
    }

    private static readonly string[] Prices = ["Chat:Models:m:Price:Input=10", "Chat:Models:m:Price:Output=30"];

    public static TheoryData<string[], string> BadSettings() => new()
    {
        { ["Chat:DefaultModel=x"], "Chat:DefaultModel is 'x'" },
        { [Mock, "Chat:DefaultModel=x"], "use one of m." },
        { [Mock, .. Endpoint], "There are several models" },
        { ["Chat:Models:x:Cost=1"], "Chat:Models:x:Provider is missing" },
        { ["Chat:Models:x:Provider=foo"], "Chat:Models:x:Provider is 'foo'" },
        { ["Chat:Models:-x:Provider=mock"], "a model's name has" },
        { [Mock, "Chat:Models:m:Cost=-1"], "Chat:Models:m: The field Cost" },
        { [Mock, .. Prices, "Chat:Models:m:Cost=1"], "Chat:Models:m has a Cost and a Price" },
        { [Mock, "Chat:Models:m:Price=5"], "Chat:Models:m:Price has no single value" },
        { [Mock, "Chat:Models:m:Price:Input=1"], "The Output field is required" },
        { [Mock, .. Prices, "Chat:Models:m:Price:Input=-1"], "The field Input" },
        { [Mock, .. Prices, "Chat:Models:m:Price:Input=cheap"], "Failed to convert configuration" },
        { [Mock, .. Prices, "Chat:Models:m:Price:CachedInput=11"], "Chat:Models:m:Price:CachedInput is more than" },
        { [Mock, .. Prices, "Chat:Models:m:Price:Ouptut=1"], "Chat:Models:m:Price:Ouptut is no setting" },
        { [Mock, .. Prices, "Chat:Models:m:MaxOutputTokens=0"], "The field MaxOutputTokens" },
        { [Mock, "Chat:Models:m:Tokenizer=gpt2"], "Chat:Models:m:Tokenizer is 'gpt2': use 'o200k_base' or 'bytes'" },
        { [Mock, "Chat:Models:m:Margin=11"], "The field Margin" },
        { [Mock, "Chat:Models:m:Cost=ten"], "Failed to convert configuration" },
        { [Mock, "Chat:Models:m:Timeout=01:00:00"], "The field Timeout" },
        { [Mock, "Chat:Models:m:Pirce=5"], "Chat:Models:m:Pirce is no setting" },
        { [Mock, "Chat:Models:m:Endpoint=https://a"], "Chat:Models:m:Endpoint is no setting" },
        { [Mock, "Chat:Models:m:Script:Cut=-1"], "The field Cut" },
        { [Mock, "Chat:Models:m:Script:Speed=1"], "Chat:Models:m:Script:Speed is no setting" },
        { [Mock, "Chat:Models:m:Fallbacks:0=m"], "names the model itself" },
        { [Mock, "Chat:Models:m:Fallbacks:0=x"], "names 'x', which is no model" },
        { [.. Endpoint, "Chat:Models:e:Script:Cut=1"], "Chat:Models:e:Script is no setting" },
        { [.. Endpoint, "Chat:Models:e:Endpoint=ftp://a"], "Chat:Models:e:Endpoint must be an address" },
        { [.. Endpoint, "Chat:Models:e:Endpoint=https://u:secret@a/"], "Chat:Models:e:Endpoint must be an address" },
        { [.. Endpoint, "Chat:Models:e:ApiKey=secret key"], "Chat:Models:e:ApiKey must be" },
        { [.. Endpoint, "Chat:Models:e:Model= "], "Chat:Models:e:Model is empty" },
        { [.. Endpoint, "Chat:Models:e:Retries=11"], "The field Retries" },
        { [.. Endpoint, "Chat:Models:e:BreakFor=00:00:00.1"], "The field BreakFor" },
    };

    [Theory]
    [MemberData(nameof(BadSettings), DisableDiscoveryEnumeration = true)]
    public async Task Start_WithABadConfiguration_StopsWithASentence(string[] settings, string expected)
    {
        using var host = ModelHost.Create(settings);
        var failed = await Assert.ThrowsAnyAsync<Exception>(host.StartAsync);
        // What RunServiceAsync shows.
        var shown = failed is OptionsValidationException wrong ? string.Join('\n', wrong.Failures) : failed.Message;
        Assert.True(failed is OptionsValidationException or InvalidOperationException, failed.ToString());
        Assert.Contains(expected, shown, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", shown, StringComparison.Ordinal);
    }
}
