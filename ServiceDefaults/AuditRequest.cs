namespace Microsoft.Extensions.Hosting;

/// <summary>What a service tells Identity.Service's audit log.</summary>
/// <param name="Actor">The user who does it.</param>
/// <param name="Subject">The user to whom it is done.</param>
/// <param name="Action">What, such as <c>tokens_credit</c>.</param>
/// <param name="Detail">More about it.</param>
/// <param name="Address">The address that asks for it.</param>
public sealed record AuditRequest(long Actor, long Subject, string Action, string? Detail, string? Address);
