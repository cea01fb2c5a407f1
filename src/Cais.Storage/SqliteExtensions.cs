using Microsoft.Data.Sqlite;

namespace Cais.Storage;

/// <summary>SQL with numbered parameters (<c>$1</c>, <c>$2</c> …) in one line. Values never become part of the text.</summary>
public static class SqliteExtensions
{
    /// <summary>Runs statements and returns how many rows they changed.</summary>
    public static int Execute(this SqliteConnection connection, string sql, params ReadOnlySpan<object?> values)
    {
        using var command = Prepare(connection, sql, values);
        return command.ExecuteNonQuery();
    }

    /// <summary>The first column of the first row; null or <c>default</c> if there is no row or it is NULL. For long, int, string, byte[], bool, double.</summary>
    public static T? Scalar<T>(this SqliteConnection connection, string sql, params ReadOnlySpan<object?> values)
    {
        using var command = Prepare(connection, sql, values);
        using var reader = command.ExecuteReader();
        return reader.Read() && !reader.IsDBNull(0) ? reader.GetFieldValue<T>(0) : default;
    }

    /// <summary>All rows, each turned into a value by <paramref name="row"/>.</summary>
    public static List<T> Query<T>(this SqliteConnection connection, string sql, Func<SqliteDataReader, T> row, params ReadOnlySpan<object?> values)
    {
        ArgumentNullException.ThrowIfNull(row);
        using var command = Prepare(connection, sql, values);
        using var reader = command.ExecuteReader();
        var rows = new List<T>();
        while (reader.Read())
        {
            rows.Add(row(reader));
        }

        return rows;
    }

    /// <summary>A column's text, or null.</summary>
    public static string? TextOrNull(this SqliteDataReader reader, int column)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return reader.IsDBNull(column) ? null : reader.GetString(column);
    }

    private static SqliteCommand Prepare(SqliteConnection connection, string sql, ReadOnlySpan<object?> values)
    {
        ArgumentNullException.ThrowIfNull(connection);
        var command = connection.CreateCommand();
#pragma warning disable CA2100 // The callers are this engine's own libraries, whose SQL is constant: values travel as parameters.
        command.CommandText = sql;
#pragma warning restore CA2100
        for (var i = 0; i < values.Length; i++)
        {
            command.Parameters.AddWithValue(ParameterName(i), values[i] ?? DBNull.Value);
        }

        return command;
    }

    private static string ParameterName(int index) => index switch
    {
        0 => "$1",
        1 => "$2",
        2 => "$3",
        3 => "$4",
        4 => "$5",
        5 => "$6",
        _ => string.Create(null, stackalloc char[16], $"${index + 1}"),
    };
}
