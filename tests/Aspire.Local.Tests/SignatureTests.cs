using System.Reflection;

namespace Aspire.Local.Tests;

/// <summary>
/// The projects under Aspire.Local have the public members of Aspire that Signatures.txt lists, and no others: what is
/// written against them has to compile against the packages.
/// </summary>
public sealed class SignatureTests
{
    /// <summary>How many lines are marked with an asterisk: what this repository is written against.</summary>
    private const int Used = 80;

    private static readonly Assembly[] Assemblies =
    [
        typeof(DistributedApplication).Assembly,
        typeof(PostgresBuilderExtensions).Assembly,
        typeof(RedisBuilderExtensions).Assembly,
        typeof(DistributedApplicationTestingBuilder).Assembly,
        typeof(Npgsql.EntityFrameworkCore.PostgreSQL.NpgsqlEntityFrameworkCorePostgreSQLSettings).Assembly,
        typeof(StackExchange.Redis.StackExchangeRedisSettings).Assembly,
    ];

    private static readonly string[] List =
    [
        .. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Signatures.txt"))
            .Where(line => line is not "" and not ['#', ..]),
    ];

    private static IEnumerable<string> Surface => Assemblies.SelectMany(PublicSurface.Of);

    [Fact]
    public void Signature_Listed_IsThere() => AssertNone(
        Places(List).Except(Places(Surface)), "in Signatures.txt, but no longer public as it is written there");

    [Fact]
    public void Member_Public_IsListed() => AssertNone(
        Places(Surface).Except(Places(List)),
        "public, but not in Signatures.txt: add it if Aspire has it just so, or make it internal");

    [Fact]
    public void Signatures_TheRepositoryUses_AreMarked() => Assert.Equal(Used, List.Count(IsMarked));

    private static bool IsMarked(string line) => line.TrimStart().StartsWith('*');

    /// <summary>Each line after the lines it is indented under.</summary>
    private static IEnumerable<string> Places(IEnumerable<string> lines)
    {
        var path = new Stack<string>();
        foreach (var line in lines.Select(line => IsMarked(line) ? line.Replace('*', ' ') : line))
        {
            var text = line.TrimStart();
            while (path.Count > (line.Length - text.Length) / 2)
            {
                path.Pop();
            }

            path.Push(text);
            yield return string.Join(" / ", path.Reverse());
        }
    }

    private static void AssertNone(IEnumerable<string> places, string fault)
    {
        var message = string.Join(Environment.NewLine, places.Select(place => $"{place}: {fault}"));
        Assert.True(message.Length == 0, message);
    }
}
