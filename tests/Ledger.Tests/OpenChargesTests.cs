using Ledger.Service.Transfers;

namespace Ledger.Tests;

/// <summary>What Chat.Service asks after a crash: which charges of a time are not given back.</summary>
public sealed class OpenChargesTests(ServersFixture servers)
{
    private static readonly DateTimeOffset Begin = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Many of one and the same time, over the edge of a page.</summary>
    [Fact]
    public async Task Charges_OfATimeInPages_AreListedOnceEachAndInOrder()
    {
        await using var own = await OwnDatabase.CreateAsync(servers.ConnectionString);
        await own.ExecuteAsync("""
            INSERT INTO accounts (id, balance, version) VALUES (1, 1500, 2501);
            INSERT INTO transfers
                (id, debit_account, credit_account, amount, kind, request_hash, balance_after, version, created_at)
              SELECT gen_random_uuid(), CASE n WHEN 1 THEN -1 ELSE 1 END, CASE n WHEN 1 THEN 1 ELSE -2 END,
                CASE n WHEN 1 THEN 4000 ELSE 1 END, CASE n WHEN 1 THEN 1 ELSE 2 END,
                CASE n WHEN 1 THEN ''::bytea ELSE sha256(int8send(n)) END, 4001 - n, n,
                '2026-01-01Z'::timestamptz + n / 700 * interval '1 s'
              FROM generate_series(1, 2501) n;
            """);
        var reader = new LedgerReader(own.Database);
        var (seen, pages, from, after) = (new List<OpenCharge>(), 0, Begin, Guid.Empty);
        while (await reader.OpenChargesAsync(from, Begin.AddSeconds(2), after, Cancellation) is [.., var last] page)
        {
            seen.AddRange(page);
            pages++;
            (from, after) = (last.Created, last.Id);
        }

        Assert.Equal(3, pages);
        // Those of n = 2 to 2099: the opening is no charge, and later ones are of a later time.
        Assert.Equal(2098, seen.DistinctBy(charge => charge.Id).Count());
        Assert.Equal(2098, seen.Count);
        Assert.Equal(seen.Select(charge => charge.Created).Order(), seen.Select(charge => charge.Created));
        Assert.All(seen, charge => Assert.Equal((1, 1), (charge.User, charge.Amount)));
    }

    [Fact]
    public async Task Charge_GivenBackInPart_IsListedUntilAllIsGivenBack()
    {
        await using var own = await OwnDatabase.CreateAsync(servers.ConnectionString);
        var ledger = ServersFixture.NewLedger(own.Database, ServersFixture.NewCache(servers.Redis));
        var reader = new LedgerReader(own.Database);
        var (account, charge) = (ServersFixture.NewAccount(), Guid.NewGuid());
        await ledger.DebitAsync(new TransferRequest(charge, account, 100, TransferKind.Charge), Cancellation);
        await ledger.DebitAsync(
            new TransferRequest(Guid.NewGuid(), account, 100, TransferKind.Deduction), Cancellation);
        await ledger.RefundAsync(Guid.NewGuid(), Cancellation); // Void: its charge never came.
        Assert.Equal([charge], await ListAsync(reader));
        await ledger.RefundAsync(new RefundRequest(charge, Guid.NewGuid(), 40), Cancellation);
        Assert.Equal([charge], await ListAsync(reader));
        await ledger.RefundAsync(charge, Cancellation);
        Assert.Empty(await ListAsync(reader));
    }

    private static async Task<IEnumerable<Guid>> ListAsync(LedgerReader reader) =>
        (await reader.OpenChargesAsync(Begin, DateTimeOffset.MaxValue, Guid.Empty, Cancellation))
        .Select(charge => charge.Id);
}
