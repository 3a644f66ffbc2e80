using Microsoft.Extensions.Options;

namespace Chat.Service.Models;

/// <summary>The models that users can name.</summary>
/// <param name="options">The prices and limits of those that have none of their own.</param>
/// <param name="configuration">How long the mock takes: <c>Chat:Models:mock:Delay</c>.</param>
internal sealed class ModelCatalog(IOptions<ChatSettings> options, IConfiguration configuration)
{
    /// <summary>Gets all of them, the default one first.</summary>
    public IReadOnlyList<ChatModel> All { get; } =
    [
        new(
            MockChatClient.ModelId,
            new MockChatClient(configuration.GetValue<TimeSpan>("Chat:Models:mock:Delay")),
            options.Value.Cost,
            options.Value.ModelTimeout),
    ];

    /// <summary>Finds a model.</summary>
    /// <param name="name">Its name; null for the default one.</param>
    /// <returns>The model, or null when there is none of that name.</returns>
    public ChatModel? Find(string? name) =>
        name is null ? All[0] : All.FirstOrDefault(model => string.Equals(model.Name, name, StringComparison.Ordinal));
}
