// Opens many server-sent-event streams at once and holds them until each has ended with its `done`.
//   dotnet run bench/streams.cs -- <gateway> <access token> <streams>
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;

var (url, token, count) = (args[0], args[1], int.Parse(args[2], CultureInfo.InvariantCulture));
using var client = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = count })
{
    BaseAddress = new Uri(url),
    Timeout = TimeSpan.FromMinutes(5),
};
client.DefaultRequestHeaders.Authorization = new("Bearer", token);
client.DefaultRequestHeaders.Accept.Add(new("text/event-stream"));
var (begun, beats, done) = (0, 0, 0);
var watch = Stopwatch.StartNew();
await Task.WhenAll(Enumerable.Range(0, count).Select(ReadAsync));
Console.WriteLine($"{done} of {count} ended with 'done' after {watch.Elapsed.TotalSeconds:F1} s; {beats} heartbeats");
return done == count ? 0 : 1;

async Task ReadAsync(int n)
{
    await Task.Delay(n * 2); // 500 a second at most: what is measured is holding them, not the first moment.
    using var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat")
    {
        Content = new StringContent($"{{\"message\":\"stream {n}\"}}", Encoding.UTF8, "application/json"),
    };
    using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    if (response.StatusCode != HttpStatusCode.OK)
    {
        Console.WriteLine($"{response.StatusCode}: {await response.Content.ReadAsStringAsync()}");
        return;
    }

    if (Interlocked.Increment(ref begun) == count)
    {
        // The script waits for this.
        Console.WriteLine($"All {count} are open after {watch.Elapsed.TotalSeconds:F1} s");
    }

    using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
    while (await reader.ReadLineAsync() is { } line)
    {
        if (line.StartsWith(':'))
        {
            Interlocked.Increment(ref beats);
        }
        else if (line == "event: done")
        {
            Interlocked.Increment(ref done);
        }
    }
}
