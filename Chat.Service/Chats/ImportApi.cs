using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Npgsql;

namespace Chat.Service.Chats;

/// <summary>What Identity.Service does with the chats of users who come from another system.</summary>
internal static class ImportApi
{
    /// <summary>Chats in one call.</summary>
    internal const int MaxChats = 500;

    /// <summary>
    /// Bytes in one call. There is no limit for a single message here, as there is for new ones: what a user was once
    /// told is kept.
    /// </summary>
    private const int MaxBytes = 64 * 1024 * 1024;

    /// <summary>Those of one statement come in the order in which they were sent, and so do their numbers.</summary>
    private const string AddSql = """
        INSERT INTO chats (user_id, status, message, response, cost, hold_id, created_at)
        SELECT $1, $2, message, response, 0, key, time
        FROM unnest($3::uuid[], $4::text[], $5::text[], $6::timestamptz[]) WITH ORDINALITY
            AS sent (key, message, response, time, number)
        WHERE NOT EXISTS (SELECT FROM erased_users WHERE user_id = $1)
        ORDER BY number ON CONFLICT (user_id, hold_id) DO NOTHING
        """;

    /// <summary>Whether all that were sent are there now, as they were sent.</summary>
    private const string CheckSql = """
        SELECT count(*) = cardinality($3::uuid[])
        FROM unnest($3::uuid[], $4::text[], $5::text[], $6::timestamptz[]) AS sent (key, message, response, time)
        JOIN chats c ON c.user_id = $1 AND c.hold_id = sent.key
        WHERE c.status = $2
            AND c.message = sent.message AND c.response = sent.response AND c.created_at = sent.time
        """;

    /// <summary>Maps <c>/users/{user}/chats/imported</c>, for services only. The gateway has no route to it.</summary>
    public static void MapImport(this IEndpointRouteBuilder app) => app.MapGroup("/users")
        .WithTags("Users").RequireAuthorization(Tokens.AccountsPolicy)
        .MapPut("/{user:long:min(1)}/chats/imported", Import)
        .WithMetadata(new RequestSizeLimitAttribute(MaxBytes));

    /// <summary>
    /// Stores chats with their times, all or none. Those that are there stay as they are; a name that is another
    /// chat's, or whose chat says something else, is refused, and so is a user who has left.
    /// </summary>
    private static async Task<Results<NoContent, ProblemHttpResult>> Import(
        long user, ImportRequest request, NpgsqlDataSource database, CancellationToken cancellationToken)
    {
        return await database.ImportAsync(user, request.Chats!, cancellationToken)
            ? TypedResults.NoContent()
            : Problems.Refusal(
                StatusCodes.Status409Conflict, "exists_with_different_content",
                "One of the keys is another chat's, or the user has left. Nothing was written.");
    }

    /// <summary>Stores chats from another system.</summary>
    /// <param name="database">Where.</param>
    /// <param name="user">Whose.</param>
    /// <param name="chats">The chats, oldest first.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Whether all of them are there now; otherwise none was stored.</returns>
    internal static async Task<bool> ImportAsync(
        this NpgsqlDataSource database,
        long user,
        IReadOnlyList<ImportedChat> chats,
        CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var together = await connection.BeginTransactionAsync(cancellationToken);
        await using var add = Command(AddSql);
        await add.ExecuteNonQueryAsync(cancellationToken);
        await using var check = Command(CheckSql);
        if (await check.ExecuteScalarAsync(cancellationToken) is not true)
        {
            return false;
        }

        await together.CommitAsync(cancellationToken);
        return true;

        NpgsqlCommand Command(string sql) => new(sql, connection, together)
        {
            Parameters =
            {
                new NpgsqlParameter<long> { TypedValue = user },
                new NpgsqlParameter<short> { TypedValue = (short)ChatStatus.Imported },
                new NpgsqlParameter { Value = chats.Select(chat => chat.Key).ToArray() },
                new NpgsqlParameter { Value = chats.Select(chat => chat.Message).ToArray() },
                new NpgsqlParameter { Value = chats.Select(chat => chat.Response).ToArray() },
                new NpgsqlParameter { Value = chats.Select(chat => chat.Timestamp.ToUniversalTime()).ToArray() },
            },
        };
    }
}

/// <summary>Chats to store.</summary>
/// <remarks>Public, because validation passes over internal types.</remarks>
/// <param name="Chats">1 to 500, oldest first.</param>
public sealed record ImportRequest(
    [Required(ErrorMessage = "Send the 'chats'.")]
    [Length(1, ImportApi.MaxChats, ErrorMessage = "Send 1 to 500 chats at once.")]
    IReadOnlyList<ImportedChat>? Chats);

/// <summary>A chat from another system.</summary>
/// <remarks>Public, because validation passes over internal types.</remarks>
/// <param name="Key">Its name, made by the caller and always the same.</param>
/// <param name="Message">What the user said; may be empty.</param>
/// <param name="Response">What the model answered; may be empty.</param>
/// <param name="Timestamp">When.</param>
public sealed record ImportedChat(
    [NotEmpty] Guid Key,
    [Required(AllowEmptyStrings = true, ErrorMessage = "Each chat has a 'message'."), Storable] string Message,
    [Required(AllowEmptyStrings = true, ErrorMessage = "Each chat has a 'response'."), Storable] string Response,
    DateTimeOffset Timestamp);

/// <summary>A name that is given, and not forgotten.</summary>
[AttributeUsage(AttributeTargets.Parameter | AttributeTargets.Property)]
internal sealed class NotEmptyAttribute() : ValidationAttribute("Each chat has a 'key', a UUID.")
{
    /// <inheritdoc/>
    public override bool IsValid(object? value) => value is Guid key && key != Guid.Empty;
}

/// <summary>A text that Postgres can hold.</summary>
[AttributeUsage(AttributeTargets.Parameter | AttributeTargets.Property)]
internal sealed class StorableAttribute() : ValidationAttribute("A text must not hold a NUL character.")
{
    /// <inheritdoc/>
    public override bool IsValid(object? value) => value is not string text || !text.Contains('\0');
}
