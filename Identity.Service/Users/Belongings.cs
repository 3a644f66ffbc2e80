namespace Identity.Service;

/// <summary>What users who leave have in other services.</summary>
/// <param name="http">Finds the services.</param>
/// <param name="token">Shows who is asking.</param>
internal sealed class Belongings(HttpClient http, OwnToken token)
{
    /// <summary>
    /// Closes the account in the ledger, whose history stays, and then erases the chats, which get no more. Doing it
    /// again changes nothing, so the calls are sent again when they fail.
    /// </summary>
    /// <param name="userId">Whose.</param>
    /// <param name="cancellationToken">Ends the wait. It may be done all the same.</param>
    /// <exception cref="HttpRequestException">A service failed.</exception>
    public async Task GiveUpAsync(long userId, CancellationToken cancellationToken)
    {
        await SendAsync(HttpMethod.Put, $"http://ledger/accounts/{userId}/closed", cancellationToken);
        await SendAsync(HttpMethod.Delete, $"http://chat/users/{userId}/chats", cancellationToken);
    }

    private async Task SendAsync(HttpMethod method, string address, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, address);
        request.Headers.Authorization = token.Bearer();
        using var response = await http.SendAsync(request, cancellationToken);
        response.EnsureSuccessStatusCode();
    }
}
