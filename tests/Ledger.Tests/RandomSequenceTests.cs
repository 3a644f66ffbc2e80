using CsCheck;
using Ledger.Service.Transfers;

namespace Ledger.Tests;

/// <summary>Random operations on several accounts, against a model of a few lines.</summary>
public sealed class RandomSequenceTests(ServersFixture servers)
{
    private const int Accounts = 3;
    private const int Names = 8;
    private const long Nobody = 0;

    private enum Operation
    {
        Charge,
        Refund,
        Read,
    }

    private static readonly Gen<(Operation Operation, int Account, long Amount, int Name)[]> Sequences = Gen.Select(
        Gen.OneOf(
            Gen.Const(Operation.Charge),
            Gen.Const(Operation.Charge),
            Gen.Const(Operation.Refund),
            Gen.Const(Operation.Read)),
        Gen.Int[0, Accounts - 1],
        Gen.OneOf(Gen.Long[1, 1500], Gen.Const(4000L), Gen.Const(long.MaxValue)),
        Gen.Int[0, Names - 1]).Array[1, 64];

    [Fact]
    public Task Sequence_OfAnyOperations_FollowsTheModel() => Sequences.SampleAsync(async sequence =>
    {
        var accounts = Enumerable.Range(0, Accounts).Select(_ => ServersFixture.NewAccount()).ToArray();
        var names = Enumerable.Range(0, Names).Select(_ => Guid.NewGuid()).ToArray();
        var balances = accounts.ToDictionary(account => account, _ => 4000L);
        var charges = new Dictionary<Guid, (long Account, long Amount, bool Refunded)>();

        foreach (var (operation, index, amount, nameIndex) in sequence)
        {
            var (account, name) = (accounts[index], names[nameIndex]);
            switch (operation)
            {
                case Operation.Charge:
                    var outcome = await servers.Ledger.DebitAsync(
                        new DebitRequest(name, account, amount, TransferKind.Charge, null), CancellationToken.None);
                    Assert.Equal(Expect(charges, balances, name, account, amount), outcome.Status);
                    break;
                case Operation.Refund:
                    var refund = await servers.Ledger.RefundAsync(name, CancellationToken.None);
                    Assert.Equal(ExpectRefund(charges, balances, name), refund.Status);
                    break;
                default:
                    var balance = await servers.Ledger.GetBalanceAsync(account, CancellationToken.None);
                    Assert.Equal(balances[account], balance);
                    break;
            }
        }

        foreach (var account in accounts)
        {
            Assert.Equal(balances[account], await servers.Ledger.GetBalanceAsync(account, CancellationToken.None));
            await servers.AssertBooksBalanceAsync(account, balances[account]);
        }
    }, iter: 512, threads: 2);

    private static TransferStatus Expect(
        Dictionary<Guid, (long Account, long Amount, bool Refunded)> charges,
        Dictionary<long, long> balances, Guid name, long account, long amount)
    {
        if (charges.TryGetValue(name, out var before))
        {
            return before.Account == Nobody ? TransferStatus.AlreadyRefunded
                : (before.Account, before.Amount) != (account, amount) ? TransferStatus.ExistsWithDifferentContent
                : before.Refunded ? TransferStatus.AlreadyRefunded
                : TransferStatus.Exists;
        }

        if (balances[account] < amount)
        {
            return TransferStatus.InsufficientTokens;
        }

        balances[account] -= amount;
        charges[name] = (account, amount, Refunded: false);
        return TransferStatus.Created;
    }

    private static TransferStatus ExpectRefund(
        Dictionary<Guid, (long Account, long Amount, bool Refunded)> charges,
        Dictionary<long, long> balances,
        Guid name)
    {
        if (!charges.TryGetValue(name, out var charge) || charge.Account == Nobody)
        {
            charges[name] = (Nobody, 0, Refunded: true); // From now on the name is void.
            return TransferStatus.UnknownCharge;
        }

        if (charge.Refunded)
        {
            return TransferStatus.Exists;
        }

        balances[charge.Account] += charge.Amount;
        charges[name] = charge with { Refunded = true };
        return TransferStatus.Created;
    }
}
