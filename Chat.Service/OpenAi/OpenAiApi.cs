using System.Security.Claims;
using System.Text.Json;
using System.Text.Json.Serialization;
using Chat.Service.Chats;
using Chat.Service.Models;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Answer = Microsoft.AspNetCore.Http.HttpResults.Results<
    Microsoft.AspNetCore.Http.HttpResults.Ok<Chat.Service.OpenAi.Completion>,
    Microsoft.AspNetCore.Http.HttpResults.EmptyHttpResult,
    Microsoft.AspNetCore.Http.HttpResults.ProblemHttpResult>;

namespace Chat.Service.OpenAi;

/// <summary>
/// The part of OpenAI's API that any of its clients can use here, with an access token as its key. See docs/openai.md.
/// </summary>
internal static class OpenAiApi
{
    /// <summary>Maps what is under <c>/api/v1</c>.</summary>
    public static void MapOpenAi(this IEndpointRouteBuilder app)
    {
        var api = app.MapGroup(OpenAiErrors.PathPrefix).WithTags("OpenAI").RequireAuthorization(Tokens.ChatPolicy);
        api.MapPost("/chat/completions", Complete).WithSummary("Create a chat completion")
            .Takes<CompletionBody>()
            .Refuses([IdempotencyKey.Invalid(), UnknownModel("gpt-0"), .. ChatProblems.All])
            .Gives("text/event-stream", CompletionEvents.Example);
        api.MapGet("/models", List).WithSummary("List models");
        api.MapGet("/models/{**id}", Get).WithSummary("Get a model").Refuses(UnknownModel("gpt-0"));
    }

    /// <summary>The models, the default one first.</summary>
    /// <remarks>With an API key, those that it may use.</remarks>
    internal static Ok<ModelList> List(ModelCatalog models, ClaimsPrincipal user)
    {
        var key = user.GetApiKey();
        return TypedResults.Ok(new ModelList(
            "list", [.. models.All.Where(model => key.MayUse(model.Name)).Select(ModelObject.Of)]));
    }

    /// <summary>One of the models.</summary>
    internal static Results<Ok<ModelObject>, ProblemHttpResult> Get(
        string id, ModelCatalog models, ClaimsPrincipal user) =>
        models.Find(id) is { } model && user.GetApiKey().MayUse(id)
            ? TypedResults.Ok(ModelObject.Of(model))
            : UnknownModel(id);

    /// <summary>Answers messages and pays for the reply.</summary>
    /// <remarks>As OpenAI's. What would change the answer and cannot be done is refused, and named.</remarks>
    internal static async Task<Answer> Complete(
        JsonElement body,
        [FromHeader(Name = IdempotencyKey.Header)] string? key,
        ClaimsPrincipal user,
        ModelCatalog models,
        ChatRendering rendering,
        TimeProvider clock,
        HttpContext http)
    {
        if (key is not null && !IdempotencyKey.IsValid(key))
        {
            return IdempotencyKey.Invalid();
        }

        CompletionRequest request;
        try
        {
            request = CompletionReader.Read(body);
        }
        catch (CompletionException unfit)
        {
            return Refusal(StatusCodes.Status400BadRequest, unfit.Code, unfit.Message, unfit.Param);
        }
        catch (InvalidOperationException)
        {
            // A name with half a character in it, which is JSON and no text.
            return Refusal(
                StatusCodes.Status400BadRequest, "invalid_value", "A name in this request is not valid text.",
                param: null);
        }

        if (models.Find(request.Model) is not { } model)
        {
            return UnknownModel(request.Model);
        }

        var chat = PendingChat.New(user.GetUserId(), "completion", key, request.Message) with
        {
            Model = request.Model,
            Content = request.Canonical,
            Key = user.GetApiKey(),
        };
        var prompt = new Prompt(model, request.ToMessages(), request.ToOptions());
        http.Response.Headers[OpenAiErrors.RequestIdHeader] = OpenAiErrors.RequestId(http);
        return await rendering.AnswerAsync(
            chat,
            prompt,
            stored => TypedResults.Ok(Completion.Of(stored, request)),
            request.IsStreamed ? events => new CompletionEvents(events, request, clock.GetUtcNow()) : null,
            http);
    }

    private static ProblemHttpResult UnknownModel(string name) => Refusal(
        StatusCodes.Status404NotFound, "model_not_found",
        $"The model '{name.Cut()}' does not exist. GET /api/v1/models lists those that do.", "model");

    private static ProblemHttpResult Refusal(int status, string code, string detail, string? param)
    {
        var refusal = Problems.Refusal(status, code, detail);
        refusal.ProblemDetails.Extensions["param"] = param;
        return refusal;
    }
}

/// <summary>The models.</summary>
/// <param name="Object">What this is.</param>
/// <param name="Data">The default one first.</param>
/// <example>
/// {"object":"list","data":[{"id":"mock","object":"model","created":0,"owned_by":"aspirechat","cost":100}]}
/// </example>
internal sealed record ModelList(
    [property: JsonPropertyName("object")] string Object,
    [property: JsonPropertyName("data")] IReadOnlyList<ModelObject> Data);

/// <summary>A model.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Object">What this is.</param>
/// <param name="Created">Not known: 0.</param>
/// <param name="OwnedBy">Who has it.</param>
/// <param name="Cost">What a chat costs, in credits, where the price is flat. OpenAI has nothing like it.</param>
/// <param name="Price">What 1,000 of the model's tokens cost, in credits, where that is the price.</param>
/// <example>{"id":"mock","object":"model","created":0,"owned_by":"aspirechat","cost":100}</example>
internal sealed record ModelObject(
    [property: JsonPropertyName("id")] string Id,
    [property: JsonPropertyName("object")] string Object,
    [property: JsonPropertyName("created")] long Created,
    [property: JsonPropertyName("owned_by")] string OwnedBy,
    [property: JsonPropertyName("cost")]
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] long? Cost,
    [property: JsonPropertyName("price")]
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Price? Price = null)
{
    /// <summary>As users see it.</summary>
    /// <param name="model">The model.</param>
    public static ModelObject Of(ChatModel model) =>
        new(model.Name, "model", 0, "aspirechat", model.Price.Request, model.Price.IsFlat ? null : model.Price);
}
