using Identity.Service;

namespace Identity.Tests;

/// <summary>Which of three keys does what, hour by hour. Each signs for 10 hours, and tokens live for 24.</summary>
public sealed class KeyScheduleTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly KeySchedule _schedule = new(
        new()
        {
            SignFor = TimeSpan.FromHours(10),
            PublishAhead = TimeSpan.FromHours(2),
            ReadInterval = TimeSpan.FromMinutes(1),
        },
        tokenLifetime: TimeSpan.FromHours(24));

    [Theory]
    [InlineData(-0.1, "1 2 3")] // A clock that is behind the one of the replica that made the first key.
    [InlineData(0, "1 2 3")]
    [InlineData(9.99, "1 2 3")]
    [InlineData(10, "2 3 1")]
    [InlineData(20, "3 2 1")]
    [InlineData(34.04, "3 2 1")] // 24 hours after the last token of key 1, with what clocks and replicas may differ.
    [InlineData(34.05, "3 2")]
    [InlineData(44.05, "3")]
    [InlineData(1000, "3")]
    public void Key_ByTheHour_IsPublishedSignsAndIsRetired(double hours, string expected)
    {
        var living = _schedule.Living(Keys(3), Start.AddHours(hours));
        Assert.Equal(expected, string.Join(' ', living.Select(key => key.Id)));
    }

    [Theory]
    [InlineData(0, 0, true)]
    [InlineData(1, 7.99, false)]
    [InlineData(1, 8, true)]
    [InlineData(2, 8, false)]
    [InlineData(2, 18, true)]
    [InlineData(1, 1000, true)]
    public void Key_ByTheHour_IsDueBeforeTheLastOneHasSignedLongEnough(int keys, double hours, bool expected) =>
        Assert.Equal(expected, _schedule.IsNextDue(Keys(keys), Start.AddHours(hours)));

    [Fact]
    public void Key_ThatIsNotTheFirst_IsPublishedBeforeItSigns()
    {
        Assert.Equal(Start, _schedule.SignsFrom([], Start));
        Assert.Equal(Start.AddHours(1002), _schedule.SignsFrom(Keys(1), Start.AddHours(1000)));
    }

    /// <summary>Keys 1, 2 … that sign from hour 0, 10 …, in no order.</summary>
    private static IEnumerable<SigningKey> Keys(int count) => Enumerable.Range(1, count).Reverse()
        .Select(id => new SigningKey { Id = id, ProtectedKey = [], SignsFrom = Start.AddHours(10 * (id - 1)) });
}
