using System.Net;
using Chat.Service;
using Chat.Service.Chats;

namespace Chat.Tests;

/// <summary>Alone in the process: other tests would count.</summary>
[CollectionDefinition(nameof(MemoryTests), DisableParallelization = true)]
public sealed class AloneCollection;

/// <summary>How much memory clients can take that do not read their answers.</summary>
[Collection(nameof(MemoryTests))]
public sealed class MemoryTests(ChatDatabase database, ITestOutputHelper output)
{
    private const int Readers = 20;
    private const long MiB = 1024 * 1024;

    [Theory]
    [InlineData("/api/chat?limit=100", "too_many_pages")]
    [InlineData("/api/chat/export", "too_many_exports")]
    public async Task Readers_ThatDoNotRead_TakeLessThan100MiBAndGiveItBack(string path, string refusal)
    {
        await using var host = await ChatHost.StartAsync(
            database, new ChatSettings { MaxConcurrentPages = Readers, MaxConcurrentExports = Readers });
        var user = Random.Shared.NextInt64(1_000_000, long.MaxValue);
        await StoreAsync(user);
        using var client = host.NewClient(user);
        await ReadAsync(client, path); // What is made once is not counted.
        var before = Used();

        var readers = new List<SlowReader>();
        while (readers.Count < Readers)
        {
            readers.Add(await SlowReader.GetAsync(host, user, path));
        }

        // All of them are still being answered.
        Assert.Equal(
            refusal, await client.CallAsync(HttpMethod.Get, path).ProblemAsync(HttpStatusCode.TooManyRequests));
        var hanging = Used() - before;
        readers.ForEach(reader => reader.Dispose());
        var left = await GivenBackAsync(before).Soon();
        output.WriteLine($"{path}: {hanging / (double)MiB:F1} MiB held, {left / (double)MiB:F1} MiB left");
        Assert.InRange(hanging, long.MinValue, 100 * MiB);
        await ReadAsync(client, path);
    }

    private async Task StoreAsync(long user)
    {
        var store = new ChatStore(database.Source);
        for (var n = 0; n < 40; n++)
        {
            var chat = new PendingChat(Guid.NewGuid(), user, $"message {n}") { Most = 100 };
            Assert.NotNull(await store.AddAsync(chat.Answered(new string('x', 250_000), 3900)).Soon());
        }
    }

    private static async Task ReadAsync(HttpClient client, string path)
    {
        using var response = await client.CallAsync(HttpMethod.Get, path);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    private static long Used() => GC.GetTotalMemory(forceFullCollection: true);

    /// <summary>Waits until less than 20 MiB more are used than before.</summary>
    private static async Task<long> GivenBackAsync(long before)
    {
        while (true)
        {
            var left = Used() - before;
            if (left < 20 * MiB)
            {
                return left;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), TestContext.Current.CancellationToken);
        }
    }
}
