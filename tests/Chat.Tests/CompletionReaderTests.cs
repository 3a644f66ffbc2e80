using System.Text.Json;
using Chat.Service.OpenAi;
using Microsoft.Extensions.AI;

namespace Chat.Tests;

/// <summary>What a chat completion may be asked for with, and the name of what it may not.</summary>
public sealed class CompletionReaderTests
{
    [Fact]
    public void Request_WithAllThatIsSupported_IsRead()
    {
        var request = Read("""
            {"model":"m","n":1,"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},
             "temperature":0.5,"top_p":1,"max_tokens":5,"max_completion_tokens":6,"stop":"end","seed":-7,
             "presence_penalty":-2,"frequency_penalty":2,"user":"u","safety_identifier":"s","metadata":{"a":"b"},
             "store":false,"response_format":{"type":"text"},"modalities":["text"],"logprobs":false,"tools":null,
             "messages":[
               {"role":"system","content":"s"},{"role":"developer","content":"d"},
               {"role":"user","name":"n","content":[{"type":"text","text":"one "},{"type":"text","text":"two"}]},
               {"role":"assistant","content":"a","refusal":null,"tool_calls":null}]}
            """);
        Assert.Equal(("m", "one two", true, true), (
            request.Model, request.Message, request.IsStreamed, request.IncludesUsage));
        Assert.Equal(
            [(ChatRole.System, "s"), (ChatRole.System, "d"), (ChatRole.User, "one two"), (ChatRole.Assistant, "a")],
            request.ToMessages().Select(message => (message.Role, message.Text)));
        var options = request.ToOptions();
        Assert.Equal((0.5f, 1f, 6, -7L), (options.Temperature, options.TopP, options.MaxOutputTokens, options.Seed));
        Assert.Equal((-2f, 2f), (options.PresencePenalty, options.FrequencyPenalty));
        Assert.Equal(["end"], options.StopSequences!);
    }

    [Theory]
    [InlineData("""{"stream":true,"user":"u","metadata":{"a":"b"},"store":false}""", true)]
    [InlineData("""{"max_completion_tokens":5}""", false)]
    [InlineData("""{"temperature":1}""", false)]
    [InlineData("""{"stop":["a"]}""", false)]
    [InlineData("""{"messages":[{"role":"system","content":"x"},{"role":"user","content":"hi"}]}""", false)]
    [InlineData("""{"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}""", true)]
    public void Content_OfTwoRequests_IsTheSameOnlyIfTheAnswerIs(string change, bool isSame) =>
        Assert.Equal(isSame, Read(With("{}")).Canonical == Read(With(change)).Canonical);

    [Theory]
    [InlineData("""{"model":null}""", "model", "missing_required_parameter")]
    [InlineData("""{"model":""}""", "model", "invalid_value")]
    [InlineData("""{"model":5}""", "model", "invalid_type")]
    [InlineData("""{"messages":null}""", "messages", "missing_required_parameter")]
    [InlineData("""{"messages":"hi"}""", "messages", "invalid_type")]
    [InlineData("""{"messages":[]}""", "messages", "invalid_value")]
    [InlineData("""{"messages":["hi"]}""", "messages[0]", "invalid_type")]
    [InlineData("""{"messages":[{"role":"assistant","content":"a"}]}""", "messages", "invalid_value")]
    [InlineData("""{"messages":[{"content":"a"}]}""", "messages[0].role", "missing_required_parameter")]
    [InlineData("""{"messages":[{"role":"tool","content":"a"}]}""", "messages[0].role", "unsupported_value")]
    [InlineData("""{"messages":[{"role":"user"}]}""", "messages[0].content", "missing_required_parameter")]
    [InlineData("""{"messages":[{"role":"user","content":5}]}""", "messages[0].content", "invalid_type")]
    [InlineData("""{"messages":[{"role":"user","content":" "}]}""", "messages[0].content", "invalid_value")]
    [InlineData("""{"messages":[{"role":"user","content":"a\u0000"}]}""", "messages[0].content", "invalid_value")]
    [InlineData("""{"messages":[{"role":"user","content":"a","x":1}]}""", "messages[0].x", "unsupported_parameter")]
    [InlineData("""{"messages":[{"role":"user","content":"a","name":""}]}""", "messages[0].name", "invalid_value")]
    [InlineData(
        """{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}""",
        "messages[0].content[0].type", "unsupported_value")]
    [InlineData(
        """{"messages":[{"role":"user","content":[{"type":"text"}]}]}""",
        "messages[0].content[0].text", "missing_required_parameter")]
    [InlineData(
        """{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","tool_calls":[{}]}]}""",
        "messages[1].tool_calls", "unsupported_parameter")]
    [InlineData("""{"n":2}""", "n", "unsupported_value")]
    [InlineData("""{"n":"1"}""", "n", "invalid_type")]
    [InlineData("""{"stream":1}""", "stream", "invalid_type")]
    [InlineData("""{"stream_options":{"include_usage":true}}""", "stream_options", "invalid_value")]
    [InlineData("""{"stream":true,"stream_options":{"x":1}}""", "stream_options.x", "unknown_parameter")]
    [InlineData("""{"temperature":2.1}""", "temperature", "invalid_value")]
    [InlineData("""{"temperature":1e999}""", "temperature", "invalid_value")]
    [InlineData("""{"temperature":"1"}""", "temperature", "invalid_type")]
    [InlineData("""{"top_p":-0.1}""", "top_p", "invalid_value")]
    [InlineData("""{"presence_penalty":3}""", "presence_penalty", "invalid_value")]
    [InlineData("""{"frequency_penalty":-3}""", "frequency_penalty", "invalid_value")]
    [InlineData("""{"max_tokens":0}""", "max_tokens", "invalid_value")]
    [InlineData("""{"max_completion_tokens":1.5}""", "max_completion_tokens", "invalid_value")]
    [InlineData("""{"seed":1.5}""", "seed", "invalid_type")]
    [InlineData("""{"stop":["a","b","c","d","e"]}""", "stop", "invalid_value")]
    [InlineData("""{"stop":[]}""", "stop", "invalid_value")]
    [InlineData("""{"stop":[1]}""", "stop[0]", "invalid_type")]
    [InlineData("""{"store":true}""", "store", "unsupported_value")]
    [InlineData("""{"metadata":"a"}""", "metadata", "invalid_type")]
    [InlineData("""{"user":5}""", "user", "invalid_type")]
    [InlineData("""{"response_format":{"type":"json_object"}}""", "response_format", "unsupported_value")]
    [InlineData("""{"modalities":["text","audio"]}""", "modalities", "unsupported_value")]
    [InlineData("""{"audio":{}}""", "audio", "unsupported_parameter")]
    [InlineData("""{"tools":[]}""", "tools", "unsupported_parameter")]
    [InlineData("""{"functions":[]}""", "functions", "unsupported_parameter")]
    [InlineData("""{"tool_choice":"none"}""", "tool_choice", "unsupported_parameter")]
    [InlineData("""{"logprobs":true}""", "logprobs", "unsupported_parameter")]
    [InlineData("""{"logit_bias":{}}""", "logit_bias", "unsupported_parameter")]
    [InlineData("""{"foo":null}""", "foo", "unknown_parameter")]
    public void Request_ThatDoesNotFit_IsRefusedByName(string change, string param, string code)
    {
        var unfit = Assert.Throws<CompletionException>(() => Read(With(change)));
        Assert.Equal((param, code), (unfit.Param, unfit.Code));
        Assert.Contains(param, unfit.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("5")]
    public void Body_ThatIsNoObject_IsRefused(string body) =>
        Assert.Equal("invalid_type", Assert.Throws<CompletionException>(() => Read(body)).Code);

    [Fact]
    public void Text_WithHalfOfACharacter_IsRefused()
    {
        var unfit = Assert.Throws<CompletionException>(
            () => Read("""{"model":"m","messages":[{"role":"user","content":"\ud800"}]}"""));
        Assert.Equal(("messages[0].content", "invalid_value"), (unfit.Param, unfit.Code));
    }

    [Theory]
    [InlineData(256, true)]
    [InlineData(257, false)]
    public void Messages_UpToTheLimit_AreRead(int count, bool isFit)
    {
        var messages = string.Join(',', Enumerable.Repeat("""{"role":"user","content":"a"}""", count));
        var exception = Record.Exception(() => Read($$"""{"model":"m","messages":[{{messages}}]}"""));
        Assert.Equal(isFit, exception is null);
    }

    [Theory]
    [InlineData("user", 16 * 1024, true)]
    [InlineData("user", (16 * 1024) + 1, false)]
    [InlineData("system", (16 * 1024) + 1, true)]
    public void LastWord_UpToTheLimitOfAMessage_IsRead(string role, int letters, bool isFit)
    {
        var text = new string('ä', letters); // Two bytes each.
        // What is not the user's last word may be longer.
        var exception = Record.Exception(() => Read($$"""
            {"model":"m","messages":[
              {"role":"user","content":"{{text}}x"},{"role":"user","content":"a"},
              {"role":"{{role}}","content":"{{text}}"},
              {"role":"assistant","content":"{{text}}x"}]}
            """));
        if (isFit)
        {
            Assert.Null(exception);
            return;
        }

        var unfit = Assert.IsType<CompletionException>(exception);
        Assert.Equal(("messages[2].content", "invalid_value"), (unfit.Param, unfit.Code));
        Assert.Contains("messages[2].content", unfit.Message, StringComparison.Ordinal);
        Assert.Contains("32768", unfit.Message, StringComparison.Ordinal);
    }

    private static CompletionRequest Read(string body)
    {
        using var json = JsonDocument.Parse(body);
        return CompletionReader.Read(json.RootElement);
    }

    /// <summary>A good request with some of it changed.</summary>
    private static string With(string change)
    {
        var request = JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(
            """{"model":"m","messages":[{"role":"user","content":"hi"}]}""")!;
        foreach (var (name, value) in JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(change)!)
        {
            request[name] = value;
        }

        return JsonSerializer.Serialize(request);
    }
}
