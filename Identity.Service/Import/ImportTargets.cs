using System.Net;
using System.Text.Json;

namespace Identity.Service;

/// <summary>
/// What an import asks of Ledger.Service and Chat.Service. Both calls name what they write, so they are sent again
/// until they are answered.
/// </summary>
/// <param name="http">Finds the services.</param>
/// <param name="token">Shows who is asking.</param>
/// <param name="configuration">Says how long to try.</param>
/// <param name="clock">The time.</param>
internal sealed class ImportTargets(
    HttpClient http, OwnToken token, IConfiguration configuration, TimeProvider clock)
{
    /// <summary>How many chats Chat.Service takes at once.</summary>
    public const int MaxChats = 500;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    private readonly TimeSpan _patience = configuration.GetValue("Import:Patience", TimeSpan.FromSeconds(30));

    /// <summary>Opens a user's account. Once it is open, the same call changes nothing.</summary>
    /// <param name="userId">Whose.</param>
    /// <param name="tokens">With how many tokens.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="UserRefused">It was opened otherwise.</exception>
    /// <exception cref="ImportProblem">The ledger does not answer.</exception>
    public Task OpenAccountAsync(long userId, long tokens, CancellationToken cancellationToken) =>
        PutAsync("ledger", $"accounts/{userId}/opening", new { amount = tokens }, cancellationToken);

    /// <summary>Stores chats of a user. Those that are there stay as they are.</summary>
    /// <param name="userId">Whose.</param>
    /// <param name="chats">At most <see cref="MaxChats"/>, oldest first.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="UserRefused">One of them cannot be stored.</exception>
    /// <exception cref="ImportProblem">Chat.Service does not answer.</exception>
    public Task StoreChatsAsync(long userId, IReadOnlyList<ChatToStore> chats, CancellationToken cancellationToken) =>
        PutAsync("chat", $"users/{userId}/chats/imported", new { chats }, cancellationToken);

    private async Task PutAsync(string service, string path, object body, CancellationToken cancellationToken)
    {
        var (began, pause) = (clock.GetTimestamp(), FirstPause);
        while (true)
        {
            var problem = await TryPutAsync(service, path, body, cancellationToken);
            if (problem is null)
            {
                return;
            }

            if (clock.GetElapsedTime(began) + pause > _patience)
            {
                throw new ImportProblem(
                    $"The service '{service}' does not answer as it should: {problem} Start the command again when it "
                    + "does: it goes on where it was.");
            }

            await Task.Delay(pause, clock, cancellationToken);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    /// <summary>Sends a request.</summary>
    /// <returns>Null when it is done; otherwise why not, for now.</returns>
    private async Task<string?> TryPutAsync(
        string service, string path, object body, CancellationToken cancellationToken)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Put, $"http://{service}/{path}");
            request.Content = JsonContent.Create(body);
            request.Headers.Authorization = token.Bearer();
            using var response = await http.SendAsync(request, cancellationToken);
            return response.StatusCode switch
            {
                _ when response.IsSuccessStatusCode => null,
                HttpStatusCode.BadRequest or HttpStatusCode.Conflict or HttpStatusCode.RequestEntityTooLarge =>
                    throw new UserRefused($"refused by the service '{service}': {await ReasonAsync(response)}"),
                HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden =>
                    "it does not accept the token. Are Auth:Issuer and Auth:KeyProtectionSecret those of the running "
                    + "system, and is its identity service up?",
                var other => $"it answers {(int)other}.",
            };
        }
        catch (Exception failed) when (failed is not UserRefused && !cancellationToken.IsCancellationRequested)
        {
            return $"{failed.Message.TrimEnd('.')}. Is services__{service}__http__0 its address?";
        }
    }

    private static async Task<string> ReasonAsync(HttpResponseMessage response)
    {
        try
        {
            var problem = await response.Content.ReadFromJsonAsync<JsonElement>();
            return problem.GetProperty("detail").GetString()!;
        }
        catch (Exception)
        {
            return $"{(int)response.StatusCode}"; // It says no more than that.
        }
    }
}

/// <summary>A chat as Chat.Service takes it.</summary>
/// <param name="Key">Its name, always the same.</param>
/// <param name="Message">What the user said.</param>
/// <param name="Response">What the model answered.</param>
/// <param name="Timestamp">When.</param>
internal sealed record ChatToStore(Guid Key, string Message, string Response, DateTimeOffset Timestamp);
