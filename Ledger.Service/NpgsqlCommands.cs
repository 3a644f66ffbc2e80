using Npgsql;

namespace Ledger.Service;

/// <summary>Commands with positional parameters: $1, $2 …</summary>
internal static class NpgsqlCommands
{
    /// <summary>Makes a command whose parameters have these values.</summary>
    public static NpgsqlCommand Command(this NpgsqlDataSource database, string sql, params ReadOnlySpan<object> values)
    {
        var command = database.CreateCommand(sql);
        foreach (var value in values)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        return command;
    }

    /// <summary>Adds a parameter whose type is known, also when it is null.</summary>
    public static NpgsqlCommand With<T>(this NpgsqlCommand command, T value)
    {
        command.Parameters.Add(new NpgsqlParameter<T> { TypedValue = value });
        return command;
    }

    /// <summary>Adds an array with a value of each item.</summary>
    public static NpgsqlCommand WithEach<TItem, T>(
        this NpgsqlCommand command, IEnumerable<TItem> items, Func<TItem, T> value) =>
        command.With(items.Select(value).ToArray());

    /// <summary>Reads all rows.</summary>
    public static async Task<List<T>> ReadAllAsync<T>(
        this NpgsqlCommand command, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken)
    {
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        var all = new List<T>();
        while (await row.ReadAsync(cancellationToken))
        {
            all.Add(read(row));
        }

        return all;
    }
}
