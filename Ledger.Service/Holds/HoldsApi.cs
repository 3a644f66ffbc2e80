using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace Ledger.Service.Holds;

/// <summary>
/// What Chat.Service does with others' accounts. Every call may be made again: a hold has its holder, and a capture or
/// release of what is settled finds it so.
/// </summary>
internal static class HoldsApi
{
    private const int MaxPage = 1_000;

    /// <summary>Maps <c>/holds</c>, for services only. The gateway has no route to it.</summary>
    public static void MapHolds(this IEndpointRouteBuilder app)
    {
        var holds = app.MapGroup("/holds").ExcludeFromDescription().RequireAuthorization(Tokens.LedgerPolicy);
        holds.MapPost("/batch", CarryOut);
        holds.MapPost("/renewal", Renew).WithMetadata(new RequestSizeLimitAttribute(HoldRenewal.MaxBytes));
        holds.MapGet("/", List);
    }

    /// <summary>Carries out items in their order, in one commit.</summary>
    private static async Task<Ok<IReadOnlyList<HoldResult>>> CarryOut(
        HoldBatch batch, HoldLedger ledger, CancellationToken cancellationToken) =>
        TypedResults.Ok(await ledger.CarryOutAsync(batch.Items, cancellationToken));

    /// <summary>Says that holds are still worked on. The answer names those that are gone.</summary>
    private static async Task<Ok<List<HoldName>>> Renew(
        HoldRenewal renewal, HoldLedger ledger, CancellationToken cancellationToken) =>
        TypedResults.Ok(await ledger.RenewAsync(renewal.Holds, cancellationToken));

    /// <summary>Open holds, in pages: of an account, or those that nobody has renewed for a time.</summary>
    private static async Task<Ok<List<OpenHold>>> List(
        HoldLedger ledger,
        long? account = null,
        TimeSpan? notRenewedFor = null,
        long afterAccount = 0,
        Guid? after = null,
        CancellationToken cancellationToken = default) => TypedResults.Ok(await ledger.OpenAsync(
            account, notRenewedFor ?? TimeSpan.Zero, new HoldName(afterAccount, after ?? Guid.Empty), MaxPage,
            cancellationToken));
}

/// <summary>Items to carry out in their order.</summary>
/// <param name="Items">1 to 64 of them.</param>
public sealed record HoldBatch([Required, Length(1, HoldBatch.MaxItems), NoNulls] IReadOnlyList<HoldItem> Items)
{
    /// <summary>How many a batch may have.</summary>
    public const int MaxItems = 64;
}

/// <summary>One thing to do.</summary>
/// <param name="Operation">Hold, capture or release.</param>
/// <param name="Account">Whose account.</param>
/// <param name="Id">The hold's name.</param>
/// <param name="Holder">The request that holds, or that releases.</param>
/// <param name="Amount">Credits: the most it can cost, or what it has cost.</param>
/// <param name="Hash">SHA-256 of what is asked for, with a hold.</param>
/// <param name="Key">The API key with which it is asked for, with a hold.</param>
/// <param name="Conversation">The conversation that it is part of, with a hold.</param>
public sealed record HoldItem(
    HoldOperation Operation,
    [Range(1, long.MaxValue)] long Account,
    Guid Id,
    Guid Holder = default,
    [Range(0, Accounts.Balance.Max)] long Amount = 0,
    byte[]? Hash = null,
    UsedApiKey? Key = null,
    Guid? Conversation = null) : IValidatableObject
{
    private const int HashBytes = 32;

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (!Enum.IsDefined(Operation))
        {
            yield return new ValidationResult("The operation is hold, capture or release.", [nameof(Operation)]);
        }

        if (Operation is HoldOperation.Hold && Hash is not { Length: HashBytes })
        {
            yield return new ValidationResult($"A hold has a hash of {HashBytes} bytes.", [nameof(Hash)]);
        }
    }
}

/// <summary>Holds that are still worked on.</summary>
/// <param name="Holds">Which.</param>
public sealed record HoldRenewal([Required, Length(0, HoldRenewal.MaxHolds), NoNulls] IReadOnlyList<HeldBy> Holds)
{
    /// <summary>How many a call may renew.</summary>
    public const int MaxHolds = 10_000;

    /// <summary>How long the body of a call may be: each hold takes some 115 bytes.</summary>
    public const int MaxBytes = 2 * 1024 * 1024;
}

/// <summary>The name of a hold.</summary>
/// <param name="Account">Whose account.</param>
/// <param name="Id">Its name there.</param>
public sealed record HoldName(long Account, Guid Id);

/// <summary>A hold and the request that holds.</summary>
/// <param name="Account">Whose account.</param>
/// <param name="Id">Its name there.</param>
/// <param name="Holder">The request.</param>
public sealed record HeldBy(long Account, Guid Id, Guid Holder);

/// <summary>A hold that is neither captured nor released.</summary>
/// <param name="Account">Whose account.</param>
/// <param name="Id">Its name there.</param>
/// <param name="Holder">The request that holds.</param>
/// <param name="Hash">SHA-256 of what was asked for.</param>
/// <param name="Amount">Credits.</param>
/// <param name="Conversation">The conversation that it is part of.</param>
public sealed record OpenHold(long Account, Guid Id, Guid Holder, byte[] Hash, long Amount, Guid? Conversation);

/// <summary>A list without nulls, which JSON can hold and the types cannot say.</summary>
[AttributeUsage(AttributeTargets.Parameter | AttributeTargets.Property)]
internal sealed class NoNullsAttribute() : ValidationAttribute("The list holds a null.")
{
    /// <inheritdoc/>
    public override bool IsValid(object? value) =>
        value is not IEnumerable<object?> list || list.All(item => item is not null);
}
