namespace Ledger.Service.Verification;

/// <summary>A row that is not what the transfers say it must be.</summary>
/// <param name="Row">Which: "account 7", "transfer 0198…", "cache balance:7".</param>
/// <param name="Problem">What is wrong with it.</param>
internal sealed record Drift(string Row, string Problem)
{
    public override string ToString() => $"{Row}: {Problem}";
}
