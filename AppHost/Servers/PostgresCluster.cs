using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;

namespace AppHost.Servers;

/// <summary>A folder with the data of a PostgreSQL server, and the command that serves it.</summary>
/// <param name="folder">The folder. It need not exist.</param>
/// <param name="storage">Whether data is kept: what is not need not survive a power cut.</param>
internal sealed class PostgresCluster(string folder, StorageKind storage)
{
    private static readonly TimeSpan ShutdownPatience = TimeSpan.FromSeconds(5);

    private string _bin = "";
    private string[] _asUser = [];

    /// <summary>Makes the folder the first time, in the C locale, as UTF-8, with scram passwords.</summary>
    /// <param name="bin">The folder with PostgreSQL's binaries.</param>
    /// <param name="userName">The user that owns all databases.</param>
    /// <param name="password">The password of that user.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    public async Task PrepareAsync(string bin, string userName, string password, CancellationToken cancellationToken)
    {
        _bin = bin;
        var user = Environment.IsPrivilegedProcess ? ServerUser.Find() : null; // PostgreSQL refuses to run as root.
        _asUser = user?.CommandFor(folder) ?? [];
        var mark = $"{folder}.password-hash";
        var hash = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(password)));
        if (!File.Exists(Path.Combine(folder, "PG_VERSION")))
        {
            ServerFolders.WritePrivate(mark, hash); // First: a folder without it may be of any password.
            await InitializeAsync(user, userName, password, cancellationToken);
        }
        else if (File.Exists(mark) && await File.ReadAllTextAsync(mark, cancellationToken) != hash)
        {
            throw new DistributedApplicationException(
                $"The data in {folder} was made with another password than the one in the user secrets: bring back the "
                + "secrets of that time, give the password with --Parameters:postgres-password=…, or start over by "
                + "deleting the folder.");
        }

        await CheckVersionAsync(cancellationToken);
        user?.Own(folder); // Another user may have had it, before a package brought the user postgres.
    }

    /// <exception cref="DistributedApplicationException">Another version of PostgreSQL has made the data.</exception>
    private async Task CheckVersionAsync(CancellationToken cancellationToken)
    {
        var made = (await File.ReadAllTextAsync(Path.Combine(folder, "PG_VERSION"), cancellationToken)).Trim();
        var (_, version) = await Programs.RunAsync([Path.Combine(_bin, "postgres"), "--version"], cancellationToken);
        if (!version.Contains($" {made}.", StringComparison.Ordinal)) // postgres (PostgreSQL) 18.4
        {
            throw new DistributedApplicationException(
                $"The data in {folder} was made by PostgreSQL {made}, and the one in {_bin} is another "
                + $"({version.Trim()}): name the folder of PostgreSQL {made} with --PostgresBin=DIR, or npm for the "
                + "one from npm, or start over by deleting the folder of the data.");
        }
    }

    /// <summary>The command that serves the folder on loopback, without the port.</summary>
    public string[] ServerCommand(int maxConnections) =>
    [
        .. _asUser, Path.Combine(_bin, "postgres"), "-D", folder,
        "-c", "listen_addresses=localhost",
        "-c", "unix_socket_directories=",
        "-c", $"max_connections={maxConnections}",
        "-c", "shared_buffers=256MB",
        "-c", "log_min_messages=log", // A failed statement is for its client to report.
        .. storage == StorageKind.Ephemeral ? ["-c", "fsync=off", "-c", "full_page_writes=off"] : Array.Empty<string>(),
    ];

    /// <summary>
    /// Ends a server that was left on the folder, and removes a <c>postmaster.pid</c> that would keep a new one off.
    /// Another AppHost cannot own that server: this one holds the lock of the folder.
    /// https://www.postgresql.org/docs/current/storage-file-layout.html
    /// </summary>
    public async Task ClearAsync(ILogger logger, CancellationToken cancellationToken)
    {
        var file = Path.Combine(folder, "postmaster.pid");
        if (!File.Exists(file))
        {
            return;
        }

        var id = int.TryParse(File.ReadLines(file).FirstOrDefault(), out var number) ? number : 0;
        using var process = Process.GetProcesses().FirstOrDefault(process => process.Id == id);
        if (process is not null && IsServer(process, file))
        {
            logger.LogWarning("A server still runs on {Folder}: stopping process {Id}", folder, id);
            await StopAsync(process, cancellationToken);
        }
        else
        {
            // PostgreSQL would take any process with this id for a server on this folder.
            File.Delete(file);
        }
    }

    /// <summary>
    /// Whether a process is the server of this folder, and not one that got its id later. A server works in its folder,
    /// and <c>postmaster.pid</c> has the time of its start. Where there is no /proc, the name has to do.
    /// </summary>
    private static bool IsServer(Process process, string file)
    {
        var mirror = $"/proc/{process.Id}/cwd/postmaster.pid";
        return process.ProcessName == "postgres"
            && (!OperatingSystem.IsLinux()
                || (File.Exists(mirror) && File.ReadAllText(mirror) == File.ReadAllText(file)));
    }

    private static async Task StopAsync(Process server, CancellationToken cancellationToken)
    {
        await Programs.RunAsync(["kill", "-INT", $"{server.Id}"], cancellationToken);
        try
        {
            await server.WaitForExitAsync(cancellationToken).WaitAsync(ShutdownPatience, cancellationToken);
        }
        catch (TimeoutException)
        {
            server.Kill(entireProcessTree: true);
            await server.WaitForExitAsync(cancellationToken);
        }
    }

    /// <summary>Works beside the folder and renames at the end: an initdb that was cut off leaves nothing.</summary>
    private async Task InitializeAsync(
        ServerUser? user, string userName, string password, CancellationToken cancellationToken)
    {
        var half = $"{folder}.half";
        foreach (var left in new[] { half, folder }.Where(Directory.Exists))
        {
            Directory.Delete(left, recursive: true);
        }

        ServerFolders.CreatePrivate(half);
        user?.Own(half);
        var passwordFile = $"{folder}.password";
        ServerFolders.WritePrivate(passwordFile, password);
        user?.Own(passwordFile);
        try
        {
            var (exitCode, output) = await Programs.RunAsync(
                [
                    .. _asUser, Path.Combine(_bin, "initdb"), "-D", half, "-U", userName, $"--pwfile={passwordFile}",
                    "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
                    .. storage == StorageKind.Ephemeral ? ["--no-sync"] : Array.Empty<string>(),
                ],
                cancellationToken);
            if (exitCode != 0)
            {
                throw new DistributedApplicationException(
                    $"PostgreSQL's initdb failed in {folder} with exit code {exitCode}: {output.Trim()}");
            }
        }
        finally
        {
            File.Delete(passwordFile);
        }

        Directory.Move(half, folder);
    }
}
