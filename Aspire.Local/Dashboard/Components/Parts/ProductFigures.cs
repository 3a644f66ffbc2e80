using Aspire.Dashboard.Telemetry;

namespace Aspire.Dashboard.Components.Parts;

/// <summary>A figure of the overview.</summary>
/// <param name="Title">What it is of.</param>
/// <param name="Now">The figure; null when nothing has been measured yet.</param>
/// <param name="Note">What explains it; what it waits for, when there is none.</param>
/// <param name="Tone">The class <c>good</c> or <c>bad</c>, where it is one of them.</param>
/// <param name="Chart">How it was lately.</param>
/// <param name="Link">Where there is more.</param>
public sealed record Figure(
    string Title, string? Now, string Note, string? Tone = null, ChartModel? Chart = null, string? Link = null);

/// <summary>How a route of the gateway answers.</summary>
/// <param name="Method">The requests' method.</param>
/// <param name="Route">The route's pattern.</param>
/// <param name="Rate">Requests a second.</param>
/// <param name="P50">The seconds within which half of them are answered.</param>
/// <param name="P95">… 95 of 100.</param>
/// <param name="P99">… 99 of 100.</param>
/// <param name="Errors">The share of answers with a status of 500 and above.</param>
public sealed record RouteFigure(
    string Method, string Route, double Rate, double? P50, double? P95, double? P99, double Errors);

/// <summary>The product's own figures: the one place that knows what its services measure, by which names.</summary>
/// <param name="store">What they have measured.</param>
/// <param name="now">The end of what is shown, in UTC.</param>
public sealed class ProductFigures(MetricStore store, DateTime now)
{
    /// <summary>How many steps the figure now is the mean of.</summary>
    private const int StepsNow = 3;

    private const string RequestDuration = "http.server.request.duration";

    /// <summary>How long the time is that is shown.</summary>
    public static readonly TimeSpan Span = TimeSpan.FromMinutes(5);

    private readonly TimeSteps _steps = TimeSteps.Until(now, Span, 60);

    /// <summary>All figures, in the order in which they are shown.</summary>
    public IReadOnlyList<Figure> All() => [Chats(), Drift(), Tokens(), Refusals(), CacheHits(), Logins()];

    /// <summary>How the gateway's routes answer, the busiest first; none when it has answered nothing lately.</summary>
    public IReadOnlyList<RouteFigure> Routes()
    {
        var all = Series("gateway", RequestDuration);
        // A dashboard that has just started does not know of all the time: rates are of what it knows of.
        var seconds = MetricMath.Rates(all, _steps).Count(rate => rate is not null) * _steps.Step.TotalSeconds;
        return
        [
            .. all.GroupBy(series => (
                    Method: MetricView.ValueOf(series, "http.request.method"),
                    Route: MetricView.ValueOf(series, "http.route")))
                .Select(route => RouteOf(route.Key.Method, route.Key.Route, [.. route], seconds))
                .Where(route => route.Rate > 0)
                .OrderByDescending(route => route.Rate).ThenBy(route => route.Route, StringComparer.Ordinal),
        ];
    }

    private RouteFigure RouteOf(string method, string route, IReadOnlyList<Series> series, double seconds)
    {
        var histogram = MetricMath.Together(MetricMath.Histograms(series, _steps));
        var count = MetricMath.Growth(series, _steps) ?? 0;
        var failed = series.Where(one => MetricView.ValueOf(one, "http.response.status_code") is ['5', ..]).ToList();
        var errors = MetricMath.Growth(failed, _steps) ?? 0;
        return new(
            method, route.Length > 0 ? route : "(no route)", count > 0 ? count / seconds : 0,
            Percentile(.5), Percentile(.95), Percentile(.99), count > 0 ? errors / count : 0);

        double? Percentile(double share) => histogram is null ? null : MetricMath.Percentile(histogram, share);
    }

    private Figure Chats()
    {
        const string Name = "chat.replies";
        var series = Series("chat", Name);
        return Counted(
            "Chats", series, "Answered and paid a second", "Waits for the first chat.",
            // A reply that is stored is paid; each other status is of a chat that was refused or failed.
            done: one => MetricView.ValueOf(one, "chat.status") == "Stored",
            by: one => MetricView.ValueOf(one, "chat.status"), "{chat}", Link("chat", Name, "chat.status"));
    }

    private Figure Tokens()
    {
        const string Name = "ledger.tokens";
        var series = Series("ledger", Name);
        var figure = Counted(
            "Tokens", series, "Charged a second", "Waits for the first transfer.",
            done: one => Kind(one) == "charge", by: Kind, "{token}", Link("ledger", Name, "kind"));
        var kinds = series.GroupBy(Kind).OrderBy(kind => kind.Key, StringComparer.Ordinal)
            .Select(kind => $"{kind.Key} {Show.Number(kind.Sum(one => one.Points[^1].Value))}");
        return series.Count == 0 ? figure
            : figure with { Note = $"{figure.Note} Since the ledger's start: {string.Join(", ", kinds)}." };

        static string Kind(Series series) => MetricView.ValueOf(series, "kind");
    }

    private Figure Refusals()
    {
        const string Name = "ledger.refusals";
        return Counted(
            "Refusals", Series("ledger", Name), "Refused by the ledger a second", "The ledger has refused nothing.",
            done: _ => true,
            by: one => $"{MetricView.ValueOf(one, "kind")}: {MetricView.ValueOf(one, "reason")}", "{request}",
            Link("ledger", Name, "reason"));
    }

    private Figure Logins()
    {
        var (logins, failures) = (Series("identity", "identity.logins"), Series("identity", "identity.login.failures"));
        return Counted(
            "Logins", [.. logins, .. failures], "Logged in a second", "Waits for the first login.",
            done: logins.Contains,
            by: one => logins.Contains(one) ? "logged in" : $"refused: {MetricView.ValueOf(one, "reason")}",
            "{login}", Link("identity", "identity.logins"));
    }

    /// <summary>
    /// Of the ledger's replicas one verifies, and one that has passed this on may repeat what it last found. So it is
    /// not their sum that is told but the worst.
    /// </summary>
    private Figure Drift()
    {
        const string Title = "Ledger drift";
        var series = Series("ledger", "ledger.drift");
        var worst = series.Select(one => MetricMath.ValueAt(one, _steps.End)).Max();
        var values = Enumerable.Range(1, _steps.Count)
            .Select(n => series.Select(one => MetricMath.ValueAt(one, _steps.At(n))).Max());
        var chart = new ChartModel(Title, [new("rows off", [.. values])], _steps, "{row}");
        var link = Link("ledger", "ledger.drift");
        return worst switch
        {
            null => new(Title, null, "Not verified yet: waits for the ledger to verify its books.", Link: link),
            0 => new(Title, "0, verified", "Every balance is the sum of its transfers.", "good", chart, link),
            _ => new(
                Title, $"{Show.Number(worst.Value)} rows off", "The books are off. The ledger's log names the rows.",
                "bad", chart, link),
        };
    }

    private Figure CacheHits()
    {
        const string Title = "Cache hits";
        const string Name = "ledger.cache.reads";
        var series = Series("ledger", Name);
        var hits = MetricMath.Rates([.. series.Where(one => MetricView.ValueOf(one, "result") == "hit")], _steps);
        var all = MetricMath.Rates(series, _steps);
        var shares = hits.Zip(all, (hit, reads) => reads > 0 ? (hit ?? 0) / reads * 100 : null).ToList();
        var reads = MetricMath.Growth(series, _steps);
        var link = Link("ledger", Name, "result");
        return reads is not > 0
            ? new(Title, null, "No balance was read lately.", Link: link)
            : new(
                Title, $"{Show.Number(hits.Sum(hit => hit ?? 0) / all.Sum(read => read ?? 0) * 100)} %",
                $"{Show.Number(Math.Round(reads.Value))} reads of balances in 5 minutes.",
                Chart: new(Title, [new("hits", shares)], _steps, "%"), Link: link);
    }

    /// <summary>A figure of what is counted: how much is done a second, and all that becomes of it as lines.</summary>
    private Figure Counted(
        string title, IReadOnlyList<Series> series, string what, string waiting, Func<Series, bool> done,
        Func<Series, string> by, string unit, string link)
    {
        if (series.Count == 0)
        {
            return new(title, null, waiting, Link: link);
        }

        var finished = series.Where(done).ToList();
        var rates = MetricMath.Rates(finished, _steps).Where(rate => rate is not null).TakeLast(StepsNow).ToList();
        var lines = series.GroupBy(by).OrderBy(group => group.Key, StringComparer.Ordinal)
            .Select(group => (group.Key, Series: group.ToList())).ToList();
        var chart = new ChartModel(
            title,
            [
                .. lines.Take(ChartModel.MaxLines)
                    .Select(line => new ChartLine(line.Key, MetricMath.Rates(line.Series, _steps))),
            ],
            _steps, unit, IsPerSecond: true);
        var total = Math.Round(MetricMath.Growth(finished, _steps) ?? 0);
        return new(
            title, $"{Show.Number(rates.Count > 0 ? rates.Average() ?? 0 : 0)} /s",
            $"{what}; {Show.Number(total)} in 5 minutes.", Chart: chart, Link: link);
    }

    private IReadOnlyList<Series> Series(string resource, string instrument) =>
        store.Find(resource, meter: null, instrument, _steps.Start)?.Series ?? [];

    private static string Link(string resource, string instrument, string? by = null) => Show.Address(
        $"/metrics/resource/{resource}", ("instrument", instrument), ("by", by));
}
