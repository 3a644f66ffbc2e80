namespace Microsoft.Extensions.Hosting;

/// <summary>What a service says that stops: nothing was done, and another replica may.</summary>
public static class Draining
{
    /// <summary>The header of such a refusal, which the gateway keeps to itself.</summary>
    public const string Header = "X-Draining";
}
