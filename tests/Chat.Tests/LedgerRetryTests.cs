using System.Net;
using System.Net.Sockets;
using Chat.Service.Charges;
using Chat.Service.Chats;
using Chat.Service.Ledger;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Chat.Tests;

/// <summary>The ledger's client as Program.cs wires it: service discovery, the service's token, and retries.</summary>
public sealed class LedgerRetryTests(ChatDatabase database)
{
    [Fact]
    public async Task Answer_WhenTheFirstAnswerToAChargeIsLost_IsGivenAllTheSame()
    {
        await using var ledger = await TestLedger.StartAsync();
        var lost = 0;
        ledger.AfterCharge = context =>
            Interlocked.Increment(ref lost) == 1 ? TestLedger.LoseAnswer(context) : Task.CompletedTask;
        using var host = CreateHost(ledger.Address);
        var charge = new ChatCharge(Guid.NewGuid(), UserId: 9, "hello", Cost: 100);
        using var replica = new TestReplica(database, host.Services.GetRequiredService<LedgerClient>());

        var result = await replica.AnswerAsync(charge, ScriptedModel.Answers("hi"));

        Assert.Equal(ReplyStatus.Stored, result.Status);
        Assert.Equal(["charge", "charge"], ledger.Asked);
        Assert.Equal(3900, ledger.Balance);
    }

    /// <summary>The first attempt may yet be written: "not enough tokens" is not the last word on it.</summary>
    [Fact]
    public async Task Answer_WhenTheChargeIsRefusedAfterALostAnswer_IsUndone()
    {
        await using var ledger = await TestLedger.StartAsync();
        var asked = 0;
        ledger.BeforeCharge = context =>
        {
            ledger.Balance = 0;
            return Interlocked.Increment(ref asked) == 1 ? TestLedger.Fail(context) : Task.CompletedTask;
        };
        using var host = CreateHost(ledger.Address);
        var charge = new ChatCharge(Guid.NewGuid(), UserId: 9, "hello", Cost: 100);
        using var replica = new TestReplica(database, host.Services.GetRequiredService<LedgerClient>());
        var result = await replica.AnswerAsync(charge, ScriptedModel.Answers("hi"));
        Assert.Equal((ReplyStatus.LedgerUnavailable, true), (result.Status, result.IsSettled));
        Assert.Equal(["charge", "charge", "refund"], ledger.Asked);
    }

    /// <summary>
    /// Calls that find nobody go to the next replica at once: they are no lost answers, after which a charge would be
    /// undone.
    /// </summary>
    [Fact]
    public async Task Charge_WhenAllReplicasButOneAreDown_IsAnsweredByThatOne()
    {
        await using var ledger = await TestLedger.StartAsync();
        var down = Enumerable.Range(0, 8)
            .Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)).ToList();
        down.ForEach(socket => socket.Bind(new IPEndPoint(IPAddress.Loopback, 0))); // Taken, and nobody listens.
        using var host = CreateHost(ledger.Address, [.. down.Select(socket => $"http://{socket.LocalEndPoint}")]);
        var client = host.Services.GetRequiredService<LedgerClient>();
        foreach (var id in Enumerable.Range(0, 10).Select(_ => Guid.NewGuid()))
        {
            var charge = new ChatCharge(id, UserId: 9, "hello", Cost: 1);
            var first = await client.ChargeAsync(charge, TestContext.Current.CancellationToken).Soon();
            Assert.Equal(ChargeStatus.Created, first.Status);
            var again = await client
                .ChargeAsync(charge with { Origin = Guid.NewGuid() }, TestContext.Current.CancellationToken).Soon();
            Assert.Equal(ChargeStatus.Exists, again.Status);
        }

        Assert.Equal(20, ledger.Asked.Count());
        down.ForEach(socket => socket.Dispose());
    }

    private static IHost CreateHost(Uri address, params string[] down)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["services:ledger:http:0"] = address.ToString(),
            ["services:identity:http:0"] = address.ToString(),
            ["Ledger:ClientSecret"] = "secret",
        });
        builder.Configuration.AddInMemoryCollection(
            down.Select((url, n) => KeyValuePair.Create($"services:ledger:http:{n + 1}", (string?)url)));
        builder.AddServiceDefaults();
        builder.AddLedgerClient();
        return builder.Build();
    }
}
