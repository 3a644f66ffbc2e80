using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using CsCheck;

namespace Identity.Tests;

/// <summary>
/// Random bodies for everything that takes one: whatever comes, the answer is never a fault of the service. A failure
/// prints its seed and the smallest input that fails.
/// </summary>
public sealed class FuzzTests(IdentityFixture identity)
{
    private const int Inputs = 6_000;
    private const string Json = "application/json";
    private const string Form = "application/x-www-form-urlencoded";

    private sealed record Input(string Path, string ContentType, string? Authorization, byte[] Body);

    private static readonly Gen<string> Text = Gen.Frequency(
        (4, Gen.String[Gen.Char.AlphaNumeric, 0, 20]),
        (2, Gen.String[0, 40]), // Any UTF-16, half surrogates too.
        (1, Gen.OneOf(
            "admin", "chat", IdentityServer.AdminPassword, IdentityServer.ChatSecret, "\0", "a\0b", "\ufeff", "%00",
            "password", "refresh_token", "client_credentials", "access_token", "..", "a.b.c", "'; --", "-1", "1e400",
            "api ledger offline_access", "urn:ietf:params:oauth:grant-type:token-exchange", "\ud800", "\u202e", "🂡")),
        (1, Gen.Select(Gen.Char, Gen.Int[100, 5_000], (one, count) => new string(one, count))));

    private static readonly Gen<string> Name = Gen.Frequency(
        (9, Gen.OneOf(
            "username", "password", "refresh", "grant_type", "refresh_token", "client_id", "client_secret", "token",
            "token_type_hint", "old", "new", "scope", "client_assertion", "client_assertion_type", "code",
            "resource", "audience",
            "Username", "PASSWORD", "")),
        (1, Text));

    private static readonly Gen<string> JsonText = Text.Select(Quote);

    private static readonly Gen<string> JsonValue = Gen.Frequency(
        (6, JsonText),
        (1, Gen.OneOf("null", "true", "0", "-0.0", "1e999", "123456789012345678901234567890", "{}", "[]", "[[]]")),
        (1, Gen.Int[1, 200].Select(depth => new string('[', depth) + new string(']', depth))),
        (1, JsonText.Select(text => $$"""{"a":[{{text}}]}""")));

    private static readonly Gen<string> JsonBody = Gen.Frequency(
        (12, Gen.Select(Name, JsonValue, (name, value) => $"{Quote(name)}:{value}").Array[0, 5]
            .Select(fields => $"{{{string.Join(',', fields)}}}")),
        (3, Gen.Select(JsonValue, JsonValue, (name, word) => $$"""{"username":{{name}},"password":{{word}}}""")),
        (2, JsonValue.Select(token => $$"""{"refresh":{{token}}}""")),
        (2, Gen.Select(JsonValue, JsonValue, (old, now) => $$"""{"old":{{old}},"new":{{now}},"password":{{old}}}""")),
        (1, JsonValue),
        (1, Gen.String[0, 60]));

    private static readonly Gen<string> FormText = Gen.Frequency(
        (6, Text.Select(text => Uri.EscapeDataString(text.Replace("\ud800", "", StringComparison.Ordinal)))),
        (1, Text),
        (1, Gen.OneOf("%", "%0", "%zz", "%00", "%ff%fe", "+", "=", "%u0000", "%C0%80")));

    private static readonly Gen<string> FormFields = Gen.Select(
        Name, FormText, Gen.Frequency((9, Gen.Const("=")), (1, Gen.OneOf("", "==", "&", ";"))),
        (name, value, sign) => $"{name}{sign}{value}").Array[0, 6].Select(fields => string.Join('&', fields));

    /// <summary>Some begin like a good request, and so get further.</summary>
    private static readonly Gen<string> FormBody = Gen.Select(
        Gen.OneOf(
            "", "grant_type=password&", "grant_type=password&username=", "grant_type=refresh_token&refresh_token=",
            "grant_type=client_credentials&client_id=chat&client_secret=a+secret+of+the+tests&",
            "client_id=chat&client_secret=a+secret+of+the+tests&token=", "token="),
        FormFields,
        (start, fields) => start + fields);

    private static readonly Gen<string?> Authorization = Gen.Frequency(
        (8, Gen.Const(() => (string?)null)),
        (1, Gen.Select(Text, Text, (id, secret) => (string?)$"Basic {Base64($"{id}:{secret}")}")),
        (1, Gen.OneOf<string?>("Basic", "Basic !", "Bearer x", $"Basic {Base64("chat")}", $"Basic {Base64(":")}")));

    /// <summary>What becomes of a body on the way: mostly nothing, else bytes that change, go, or come twice.</summary>
    private static Gen<byte[]> Bytes(Gen<string> body) => Gen.Frequency(
        (3, body.Select(Encoding.UTF8.GetBytes)),
        (1, Gen.Select(body, Gen.Select(Gen.Int[0, 2], Gen.Int[0, 10_000], Gen.Byte).Array[1, 4], Damage)));

    private static readonly Gen<Input> ToJson = Gen.Select(
        Gen.OneOf(
            "/api/register", "/api/login", "/api/token/refresh", "/api/logout", "/api/password", "DELETE /api/me"),
        Gen.Frequency((15, Gen.Const(Json)), (1, Gen.OneOf("application/json; charset=utf-16", "text/json", Form))),
        Authorization,
        Bytes(JsonBody),
        (path, type, authorization, body) => new Input(path, type, authorization, body));

    private static readonly Gen<Input> ToForm = Gen.Select(
        Gen.Const("/connect/token"),
        Gen.Frequency(
            (15, Gen.Const(Form)), (1, Gen.OneOf("multipart/form-data", "multipart/form-data; boundary=a", Json))),
        Authorization,
        Bytes(FormBody),
        (path, type, authorization, body) => new Input(path, type, authorization, body));

    [Fact]
    public Task JsonBody_OfAnyContent_NeverGetsA5xx() => RunAsync(ToJson);

    [Fact]
    public Task FormBody_OfAnyContent_NeverGetsA5xx() => RunAsync(ToForm);

    private async Task RunAsync(Gen<Input> inputs)
    {
        // Without locks: what is locked is not looked at. With users of its own: it may register any name.
        await using var service = new IdentityServer(
            await identity.CreateDatabaseAsync(),
            new()
            {
                ["Login:FreeFailures"] = "1000",
                ["Login:AccountFreeFailures"] = "1000",
                ["Login:AddressFailuresPerMinute"] = "100000",
            },
            inMemory: true);
        await service.StartAsync();
        using var client = service.CreateClient();
        var user = await client.NewUserAsync();
        await inputs.SampleAsync(input => SendAsync(client, input, user), iter: Inputs, threads: 2, print: Show);
    }

    private static async Task SendAsync(HttpClient client, Input input, LoginAnswer user)
    {
        var (method, path) = input.Path.Split(' ') is [var verb, var to]
            ? (new(verb), to)
            : (HttpMethod.Post, input.Path);
        using var request = new HttpRequestMessage(method, path);
        if (path is "/api/password" or "/api/me")
        {
            request.Headers.Authorization = new("Bearer", user.Access);
        }
        request.Content = new ByteArrayContent(input.Body);
        request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(input.ContentType);
        if (input.Authorization is not null && request.Headers.Authorization is null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", input.Authorization);
        }

        using var response = await client.SendAsync(request, CancellationToken.None).Soon();
        var answer = await response.Content.ReadAsStringAsync(CancellationToken.None).Soon();
        Assert.True((int)response.StatusCode < 500, $"{(int)response.StatusCode}: {answer}");
        Assert.True((int)response.StatusCode < 400 || answer.Length > 0, $"{(int)response.StatusCode} says nothing.");
    }

    private static byte[] Damage(string body, (int Kind, int At, byte Value)[] edits)
    {
        var bytes = Encoding.UTF8.GetBytes(body).ToList();
        foreach (var (kind, at, value) in edits.Where(_ => bytes.Count > 0))
        {
            var index = at % bytes.Count;
            switch (kind)
            {
                case 0:
                    bytes[index] = value;
                    break;
                case 1:
                    bytes.RemoveRange(index, Math.Min(bytes.Count - index, value % 8));
                    break;
                default:
                    bytes.InsertRange(index, bytes.GetRange(index, Math.Min(bytes.Count - index, value)));
                    break;
            }
        }

        return [.. bytes];
    }

    private static string Quote(string text) => JsonSerializer.Serialize(text);

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    private static string Show(Input input) =>
        $"{input.Path} {input.ContentType} {input.Authorization} {Convert.ToHexString(input.Body)} "
            + Encoding.UTF8.GetString(input.Body);
}
