// One client, one connection to each: the same call at a service and through the gateway, in turns.
//   dotnet run bench/overhead.cs -- <gateway> <service> <access token> <method> <path> <calls>
using System.Diagnostics;
using System.Globalization;
using System.Text;

var (gateway, service, token, method, path) = (args[0], args[1], args[2], args[3], args[4]);
var calls = int.Parse(args[5], CultureInfo.InvariantCulture);
using var client = new HttpClient();
client.DefaultRequestHeaders.Authorization = new("Bearer", token);
var (direct, through) = (new List<double>(calls), new List<double>(calls));
for (var n = -calls / 4; n < calls; n++) // The first quarter warms up.
{
    var (one, other) = (await TimeAsync(service), await TimeAsync(gateway));
    if (n >= 0)
    {
        direct.Add(one);
        through.Add(other);
    }
}

direct.Sort();
through.Sort();
var (p50Direct, p50Through) = (direct[calls / 2], through[calls / 2]);
Console.WriteLine(string.Create(
    CultureInfo.InvariantCulture,
    $"{method + ' ' + path,-18} p50 direct {p50Direct:F3} ms, through the gateway {p50Through:F3} ms: "
        + $"+{p50Through - p50Direct:F3} ms, x {p50Through / p50Direct:F2}; "
        + $"p99 {direct[calls * 99 / 100]:F2} and {through[calls * 99 / 100]:F2} ms"));

async Task<double> TimeAsync(string address)
{
    var started = Stopwatch.GetTimestamp();
    using var request = new HttpRequestMessage(new HttpMethod(method), address + path);
    request.Content = method == "POST"
        ? new StringContent("{\"message\":\"Hello AI\"}", Encoding.UTF8, "application/json")
        : null;
    using var response = await client.SendAsync(request);
    response.EnsureSuccessStatusCode();
    return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
}
