using Aspire.Dashboard.Otlp.Wire;

namespace Aspire.Dashboard.Telemetry;

/// <summary>The metrics of all processes: the points of the last minutes.</summary>
public sealed class MetricStore
{
    /// <summary>
    /// How long a process must have been heard before what it then first counts is known to have begun at 0: a count
    /// that was there all along comes with the first or second of what it sends.
    /// </summary>
    private static readonly TimeSpan Acquaintance = TimeSpan.FromSeconds(2);

    /// <summary>How long it takes until what happens is here.</summary>
    public static readonly TimeSpan Delay = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private readonly Dictionary<TelemetrySource, DateTime> _heard = [];
    private readonly Dictionary<(TelemetrySource Source, string Meter, string Name), Instrument> _instruments = [];
    private int _series;
    private int _bytes;
    private long _numbers;
    private long _leastNumbers;
    private long _version;

    /// <summary>Grows with each change.</summary>
    public long Version => Interlocked.Read(ref _version);

    /// <summary>The processes that have measured something, by name.</summary>
    public IReadOnlyList<TelemetrySource> Sources()
    {
        lock (_lock)
        {
            return
            [
                .. _heard.Keys.OrderBy(s => s.Service, StringComparer.Ordinal)
                    .ThenBy(s => s.Instance, StringComparer.Ordinal),
            ];
        }
    }

    /// <summary>The instruments of a resource, by meter and name.</summary>
    /// <param name="resource">The resource or the process; all when null.</param>
    public IReadOnlyList<InstrumentInfo> Instruments(string? resource)
    {
        lock (_lock)
        {
            return
            [
                .. _instruments.Where(i => IsOf(i.Key.Source, resource)).Select(i => i.Value.Info)
                    .DistinctBy(info => (info.Meter, info.Name))
                    .OrderBy(info => info.Meter, StringComparer.Ordinal)
                    .ThenBy(info => info.Name, StringComparer.Ordinal),
            ];
        }
    }

    /// <summary>What an instrument has measured.</summary>
    /// <param name="resource">The resource or the process; all when null.</param>
    /// <param name="meter">The instrument's meter; any when null.</param>
    /// <param name="name">Its name.</param>
    /// <param name="since">Points that are older are of no interest, but for the last of them.</param>
    /// <returns>One series for each process and each combination of attributes; null when there is none such.</returns>
    public InstrumentData? Find(string? resource, string? meter, string name, DateTime since = default)
    {
        lock (_lock)
        {
            var found = _instruments.Where(i => i.Key.Name == name
                && (meter is null || i.Key.Meter == meter) && IsOf(i.Key.Source, resource)).ToList();
            return found.Count == 0 ? null : new InstrumentData(
                found[0].Value.Info,
                [.. found.SelectMany(i => i.Value.Series.Values.Select(series => series.Read(since)))]);
        }
    }

    /// <summary>Takes in what a meter has measured.</summary>
    /// <returns>How many points there was no room for.</returns>
    internal int Add(TelemetrySource source, string meter, IEnumerable<Metric> metrics)
    {
        var refused = 0;
        lock (_lock)
        {
            foreach (var metric in metrics)
            {
                refused += Add(source, meter, metric);
            }

            if (_numbers > Limits.PointNumbers)
            {
                Halve();
            }
        }

        Interlocked.Increment(ref _version);
        return refused;
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            _instruments.Clear();
            _heard.Clear();
            (_series, _bytes, _numbers, _leastNumbers) = (0, 0, 0, 0);
        }

        Interlocked.Increment(ref _version);
    }

    private static bool IsOf(TelemetrySource source, string? resource) =>
        resource is null || source.Service == resource || source.Instance == resource;

    private int Add(TelemetrySource source, string meter, Metric metric)
    {
        var points = MetricReader.Read(metric, out var kind);
        var info = new InstrumentInfo(
            meter, Texts.Name(metric.Name), Texts.Name(metric.Description), Texts.Name(metric.Unit), kind);
        return points.Count(point => !TryAdd(source, info, point));
    }

    private bool TryAdd(TelemetrySource source, InstrumentInfo info, SentPoint point)
    {
        var key = (source, info.Meter, info.Name);
        var instrument = _instruments.GetValueOrDefault(key) ?? new Instrument(info);
        if (!instrument.Series.TryGetValue(point.Key, out var series))
        {
            var isFirst = instrument.Series.Count == 0;
            var bytes = point.SeriesBytes + (isFirst ? info.Bytes : 0);
            if (point.Key.Length > Limits.SeriesLength || instrument.Series.Count >= Limits.SeriesOfInstrument
                || !HasRoom(bytes, point.LeastNumbers))
            {
                return false;
            }

            if (isFirst)
            {
                _instruments.Add(key, instrument);
            }

            _series++;
            _bytes += bytes;
            var heard = _heard.GetValueOrDefault(source, point.Time);
            _heard.TryAdd(source, heard);
            // One that appears while its process is listened to has begun at 0; of others that is not known.
            series = new SeriesPoints(source, point.Attributes, isNew: point.Time - heard > Acquaintance);
            instrument.Series.Add(point.Key, series);
        }
        else if (!HasRoom(point.LeastNumbers - series.LeastNumbers))
        {
            return false;
        }

        var (numbers, least) = (series.Numbers, series.LeastNumbers);
        series.Add(point);
        _numbers += series.Numbers - numbers;
        _leastNumbers += series.LeastNumbers - least;
        return true;
    }

    /// <summary>Whether a series more may be.</summary>
    private bool HasRoom(int bytes, int leastNumbers) =>
        _series < Limits.Series && _bytes + bytes <= Limits.SeriesBytes && HasRoom(leastNumbers);

    /// <summary>
    /// Whether there is room for a last point. Those of all series take half of it at most, or nothing else could be
    /// kept, however often older points go.
    /// </summary>
    private bool HasRoom(int leastNumbers) => _leastNumbers + leastNumbers <= Limits.PointNumbers / 2;

    private void Halve()
    {
        _numbers = 0;
        foreach (var series in _instruments.Values.SelectMany(i => i.Series.Values))
        {
            series.Halve();
            _numbers += series.Numbers;
        }
    }

    private sealed record Instrument(InstrumentInfo Info)
    {
        public Dictionary<string, SeriesPoints> Series { get; } = [];
    }
}
