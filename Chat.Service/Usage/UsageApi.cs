using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Net.Mime;
using System.Security.Claims;
using System.Text.Json.Serialization;
using Chat.Service.Chats;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Net.Http.Headers;
using Npgsql;

namespace Chat.Service.Usage;

/// <summary>What chats have used and cost, added up.</summary>
internal static class UsageApi
{
    private const int MaxDays = 366;
    private const int DefaultDays = 30;
    private const int MaxRows = 1_000;

    private const string Example = """
        requests,input_tokens,cached_tokens,output_tokens,cost,estimated,day,model,key,user
        2,4,0,12,200,0,2025-01-06,,,

        """;

    /// <summary>The column and the order of each kind of rows.</summary>
    private static readonly Dictionary<string, (string Column, string Order)> Groups = new(StringComparer.Ordinal)
    {
        ["day"] = ("day", "day"),
        ["model"] = ("model", "sum(credits) DESC, model"),
        ["key"] = ("key_id", "sum(credits) DESC, key_id"),
        ["user"] = ("user_id", "sum(credits) DESC, user_id"),
    };

    /// <summary>Maps <c>GET /api/usage</c>.</summary>
    public static void MapUsage(this IEndpointRouteBuilder app) =>
        app.MapGet("/api/usage", Report).WithSummary("Report usage")
            .WithTags("Usage").RequireAuthorization(Tokens.TokensPolicy)
            .Produces<UsageReport>()
            .Refuses(NotAdmin(), BadRange())
            .Gives(MediaTypeNames.Text.Csv, Example);

    /// <summary>What the caller's chats have used and cost, as JSON or CSV.</summary>
    /// <param name="caller">The caller.</param>
    /// <param name="database">Where it is added up.</param>
    /// <param name="clock">The time.</param>
    /// <param name="http">The request, and the answer, which gets the link to the next page.</param>
    /// <param name="from">The first day of UTC; 29 days before the last one when left out.</param>
    /// <param name="to">The last day of UTC; today when left out.</param>
    /// <param name="by">What the rows are of: day, model, key, or, for administrators, user.</param>
    /// <param name="user">For administrators: a user's number, or all.</param>
    /// <param name="limit">How many rows at most.</param>
    /// <param name="skip">How many rows to leave out.</param>
    /// <param name="cancellationToken">The caller has gone.</param>
    internal static async Task<IResult> Report(
        ClaimsPrincipal caller,
        NpgsqlDataSource database,
        TimeProvider clock,
        HttpContext http,
        DateOnly? from = null,
        DateOnly? to = null,
        [AllowedValues("day", "model", "key", "user", ErrorMessage = "by must be day, model, key or user.")]
        string by = "day",
        [RegularExpression("all|[1-9][0-9]{0,17}", ErrorMessage = "user must be a user's number, or all.")]
        string? user = null,
        [Range(1, MaxRows, ErrorMessage = "limit must be 1 to 1000.")] int limit = 400,
        [Range(0, 1_000_000, ErrorMessage = "skip must be 0 to 1000000.")] int skip = 0,
        CancellationToken cancellationToken = default)
    {
        var last = to ?? clock.UtcDay();
        var first = from ?? DateOnly.FromDayNumber(Math.Max(0, last.DayNumber + 1 - DefaultDays));
        if (first > last || last.DayNumber - first.DayNumber >= MaxDays)
        {
            return BadRange();
        }

        if ((user is not null || by is "user") && !IsAdmin(caller))
        {
            return NotAdmin();
        }

        long? whose = user is null ? by is "user" ? null : caller.GetUserId()
            : user is "all" ? null
            : long.Parse(user, NumberStyles.None, CultureInfo.InvariantCulture);
        var rows = await ReadAsync(database, by, (first, last), whose, (limit + 1, skip), cancellationToken);
        if (rows.CutTo(limit))
        {
            var of = user is null ? "" : $"&user={user}";
            http.Response.LinkNext(
                $"/api/usage?from={first:O}&to={last:O}&by={by}{of}&limit={limit}&skip={skip + limit}");
        }

        http.Response.Headers.Vary = HeaderNames.Accept;
        return http.Request.WantsCsv()
            ? await Csv.CsvOfAsync(rows)
            : TypedResults.Ok(new UsageReport(first, last, by, rows));
    }

    /// <summary>An API key is not enough, whoever has it.</summary>
    private static bool IsAdmin(ClaimsPrincipal caller) =>
        caller.IsInRole(Tokens.AdminRole) && caller.GetApiKey() is null;

    private static async Task<List<UsageRow>> ReadAsync(
        NpgsqlDataSource database,
        string by,
        (DateOnly First, DateOnly Last) days,
        long? user,
        (int Limit, int Skip) page,
        CancellationToken cancellationToken)
    {
        var (column, order) = Groups[by];
        await using var command = database.CreateCommand($"""
            SELECT {column}, sum(requests)::bigint, sum(input_tokens)::bigint, sum(cached_tokens)::bigint,
              sum(output_tokens)::bigint, sum(credits)::bigint, sum(estimated)::bigint
            FROM usage WHERE day BETWEEN $1 AND $2 {(user is null ? "" : "AND user_id = $5")}
            GROUP BY {column} ORDER BY {order} LIMIT $3 OFFSET $4
            """);
        command.Parameters.Add(new NpgsqlParameter<DateOnly> { TypedValue = days.First });
        command.Parameters.Add(new NpgsqlParameter<DateOnly> { TypedValue = days.Last });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = page.Limit });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = page.Skip });
        if (user is { } one)
        {
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = one });
        }

        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<UsageRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            var row = new UsageRow(
                reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3), reader.GetInt64(4), reader.GetInt64(5),
                reader.GetInt64(6));
            rows.Add(by switch
            {
                "day" => row with { Day = reader.GetFieldValue<DateOnly>(0) },
                "model" => row with { Model = reader.GetString(0) },
                "key" => row with { Key = reader.GetInt64(0) },
                _ => row with { User = reader.GetInt64(0) },
            });
        }

        return rows;
    }

    private static ProblemHttpResult BadRange() => Problems.Refusal(
        StatusCodes.Status400BadRequest, "bad_range",
        $"'from' must not be after 'to', nor {MaxDays} days or more before it.");

    private static ProblemHttpResult NotAdmin() => Problems.Refusal(
        StatusCodes.Status403Forbidden, "not_an_administrator",
        "Only administrators see what others use, and with a login of their own.");
}

/// <summary>What chats have used and cost.</summary>
/// <param name="From">The first day, in UTC.</param>
/// <param name="To">The last day.</param>
/// <param name="By">What the rows are of.</param>
/// <param name="Rows">Days in their order; models, keys and users by what they cost, the dearest first.</param>
/// <example>
/// {"from":"2025-01-01","to":"2025-01-30","by":"day","rows":[{"day":"2025-01-06","requests":2,"input_tokens":4,
/// "cached_tokens":0,"output_tokens":12,"cost":200,"estimated":0}]}
/// </example>
internal sealed record UsageReport(DateOnly From, DateOnly To, string By, IReadOnlyList<UsageRow> Rows);

/// <summary>What some chats have used and cost.</summary>
/// <param name="Requests">How many chats were answered.</param>
/// <param name="InputTokens">The models' tokens of what they were told, cached ones included.</param>
/// <param name="CachedTokens">Those of them that an endpoint had in its cache.</param>
/// <param name="OutputTokens">The models' tokens of what they said.</param>
/// <param name="Cost">Credits.</param>
/// <param name="Estimated">How many of the chats have estimated tokens: their endpoint did not report them.</param>
internal sealed record UsageRow(
    [property: JsonPropertyName("requests")] long Requests,
    [property: JsonPropertyName("input_tokens")] long InputTokens,
    [property: JsonPropertyName("cached_tokens")] long CachedTokens,
    [property: JsonPropertyName("output_tokens")] long OutputTokens,
    [property: JsonPropertyName("cost")] long Cost,
    [property: JsonPropertyName("estimated")] long Estimated)
{
    /// <summary>The day of UTC, where the rows are days.</summary>
    [JsonPropertyName("day"), JsonPropertyOrder(-1), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateOnly? Day { get; init; }

    /// <summary>The model that was asked, where the rows are models.</summary>
    [JsonPropertyName("model"), JsonPropertyOrder(-1), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Model { get; init; }

    /// <summary>The API key's number, where the rows are keys; 0 for what was asked without one.</summary>
    [JsonPropertyName("key"), JsonPropertyOrder(-1), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Key { get; init; }

    /// <summary>The user's number, where the rows are users.</summary>
    [JsonPropertyName("user"), JsonPropertyOrder(-1), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? User { get; init; }
}
