namespace Aspire.Dashboard.Telemetry;

/// <summary>Who sends telemetry: a process of a resource.</summary>
/// <param name="Service">The resource's name (<c>service.name</c>).</param>
/// <param name="Instance">The process (<c>service.instance.id</c>); the service's name where it has one.</param>
public sealed record TelemetrySource(string Service, string Instance);

/// <summary>A named value of a span, a log record or a series.</summary>
/// <param name="Key">The name.</param>
/// <param name="Value">The value, as text.</param>
public readonly record struct Attribute(string Key, string Value);
