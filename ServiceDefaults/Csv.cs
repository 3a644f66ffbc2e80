using System.Globalization;
using System.Net.Mime;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using CsvHelper;
using CsvHelper.Configuration;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Microsoft.Extensions.Hosting;

/// <summary>Lists as CSV (RFC 4180), for those who ask for it.</summary>
public static class Csv
{
    private static readonly CsvConfiguration Configuration = new(CultureInfo.InvariantCulture) { NewLine = "\r\n" };

    /// <summary>Whether <c>Accept</c> ranks CSV above JSON.</summary>
    /// <param name="request">The request.</param>
    public static bool WantsCsv(this HttpRequest request) =>
        request.Accepts(MediaTypeNames.Text.Csv) > request.Accepts(MediaTypeNames.Application.Json);

    /// <summary>How much a caller wants a type, by <c>Accept</c> (RFC 9110, 12.5.1).</summary>
    /// <param name="request">The request.</param>
    /// <param name="type">The type.</param>
    /// <returns>0, not at all, to 1.</returns>
    public static double Accepts(this HttpRequest request, string type) =>
        // The most specific range that matches says it.
        request.GetTypedHeaders().Accept
            .Where(range => new MediaTypeHeaderValue(type).IsSubsetOf(range))
            .OrderBy(range => (range.MatchesAllTypes, range.MatchesAllSubTypes))
            .Select(range => range.Quality ?? 1)
            .FirstOrDefault();

    /// <summary>A list as CSV, with the names and the order of its JSON.</summary>
    /// <param name="rows">The list.</param>
    /// <typeparam name="TRow">Its rows.</typeparam>
    public static async Task<IResult> CsvOfAsync<TRow>(IEnumerable<TRow> rows)
    {
        await using var text = new StringWriter(CultureInfo.InvariantCulture);
        await using (var writer = new CsvWriter(text, Configuration))
        {
            writer.Context.RegisterClassMap(Columns<TRow>());
            await writer.WriteRecordsAsync(rows);
        }

        return TypedResults.Text(text.ToString(), $"{MediaTypeNames.Text.Csv}; charset=utf-8; header=present");
    }

    private static DefaultClassMap<TRow> Columns<TRow>()
    {
        var columns = new DefaultClassMap<TRow>();
        columns.AutoMap(Configuration);
        foreach (var column in columns.MemberMaps)
        {
            var member = column.Data.Member!;
            column.Data.Names.Clear();
            column.Data.Names.Add(member.GetCustomAttribute<JsonPropertyNameAttribute>()?.Name
                ?? JsonNamingPolicy.CamelCase.ConvertName(member.Name));
            column.Data.TypeConverterOptions.Formats = column.Data.Type == typeof(DateTime) ? ["O"]
                : column.Data.Type == typeof(DateOnly?) ? ["yyyy-MM-dd"] : null;
            if (column.Data.Type == typeof(string))
            {
                column.Data.TypeConverter = new HarmlessText();
            }
        }

        return columns;
    }

    /// <summary>A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection).</summary>
    private sealed class HarmlessText : CsvHelper.TypeConversion.StringConverter
    {
        public override string ConvertToString(object? value, IWriterRow row, MemberMapData memberMapData) =>
            value is string and ['=' or '+' or '-' or '@' or '\t' or '\r' or '\n', ..]
                ? $"'{value}"
                : (string?)value ?? ""; // A null would leave the cell out.
    }
}
