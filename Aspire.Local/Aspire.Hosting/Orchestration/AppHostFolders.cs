using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;

namespace Aspire.Hosting.Orchestration;

/// <summary>
/// Where an AppHost keeps things: volumes and secrets in a state folder of its own, which outlives it, and the rest in
/// a scratch folder, which does not. <c>Aspire:Store:Path</c> moves the state folder.
/// </summary>
internal sealed class AppHostFolders(
    IConfiguration configuration, IHostEnvironment environment, Watchdog? watchdog = null)
    : IDisposable
{
    private static readonly JsonSerializerOptions SecretsJson = new() { WriteIndented = true };
    private static readonly Lock SecretsLock = new();

    private readonly Dictionary<string, (string ResourceName, FileStream Lock)> _volumes = [];

    private readonly Lazy<DirectoryInfo> _scratch = new(() =>
    {
        var folder = Directory.CreateTempSubdirectory("aspire-");
        OpenToOthers(folder.FullName);
        watchdog?.Remove(folder.FullName); // For when the AppHost is killed; otherwise Dispose has done it by then.
        return folder;
    });

    /// <summary>The folder for what stays.</summary>
    private string State { get; } = configuration["Aspire:Store:Path"]
        ?? Path.Combine(
            StateRoot, $"{environment.ApplicationName}-{Hash(environment.ContentRootPath)}".ToLowerInvariant());

    /// <summary>
    /// As root under /var/lib, because servers that drop root cannot reach a folder under /root.
    /// </summary>
    private static string StateRoot => Unix.IsRoot
        ? "/var/lib/aspire"
        : Path.Combine(
            Environment.GetFolderPath(
                Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.Create),
            "aspire");

    /// <summary>The folders of an application that is being described.</summary>
    public static AppHostFolders Of(IDistributedApplicationBuilder builder) =>
        new(builder.Configuration, builder.Environment);

    /// <summary>
    /// Lets servers that drop root pass through a folder of root's to folders of their own. They cannot list it.
    /// </summary>
    public static void OpenToOthers(string folder)
    {
        if (Unix.IsRoot && !OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
                | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        }
    }

    /// <summary>A folder of a server's data. Its parents exist; it itself may not.</summary>
    /// <param name="volume">
    /// The volume's name; null for data that ends with the application. A volume is kept to this AppHost, and to one
    /// resource of it, until the AppHost ends.
    /// </param>
    /// <param name="resourceName">The resource.</param>
    /// <exception cref="DistributedApplicationException">Somebody else has the volume.</exception>
    public string DataFolder(string? volume, string resourceName)
    {
        if (volume is null)
        {
            return Path.Combine(_scratch.Value.FullName, resourceName);
        }

        var volumes = Path.Combine(State, "volumes");
        Directory.CreateDirectory(volumes);
        OpenToOthers(State);
        OpenToOthers(volumes);
        var folder = Path.Combine(volumes, volume);
        lock (_volumes)
        {
            if (!_volumes.TryGetValue(volume, out var held))
            {
                _volumes.Add(volume, (resourceName, VolumeLock.Take(volume, folder)));
            }
            else if (held.ResourceName != resourceName)
            {
                throw new DistributedApplicationException(
                    $"Volume '{volume}' is given to '{held.ResourceName}' and to '{resourceName}': name another one in "
                    + "WithDataVolume.");
            }
        }

        return folder;
    }

    /// <summary>A new file that only its owner can read, gone when the application ends.</summary>
    public string SecretFile(string resourceName, string content, string? owner = null)
    {
        var path = Path.Combine(_scratch.Value.FullName, $"{resourceName}-{Path.GetRandomFileName()}");
        WriteSecret(path, content);
        Unix.GiveTo(path, owner);
        return path;
    }

    /// <summary>A value from the secrets file (mode 0600), made and kept there the first time.</summary>
    public string GetOrAddSecret(string name, Func<string> make)
    {
        lock (SecretsLock)
        {
            Directory.CreateDirectory(State);
            // Two AppHosts of one folder may start at once; the first to hold this file makes the secret.
            using var turn = Retry(() => new FileStream(
                Path.Combine(State, "secrets.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
            var path = Path.Combine(State, "secrets.json");
            var secrets = File.Exists(path)
                ? JsonSerializer.Deserialize<SortedDictionary<string, string>>(File.ReadAllText(path)) ?? []
                : [];
            if (!secrets.TryGetValue(name, out var value))
            {
                value = secrets[name] = make();
                WriteSecret(path + ".new", JsonSerializer.Serialize(secrets, SecretsJson));
                File.Move(path + ".new", path, overwrite: true);
            }

            return value;
        }
    }

    /// <summary>Takes the scratch folder away and lets the volumes go.</summary>
    public void Dispose()
    {
        foreach (var held in _volumes.Values)
        {
            held.Lock.Dispose();
        }

        if (_scratch.IsValueCreated && _scratch.Value.Exists)
        {
            _scratch.Value.Delete(recursive: true);
        }
    }

    private static void WriteSecret(string path, string content)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using var file = new StreamWriter(path, options);
        file.Write(content);
    }

    private static FileStream Retry(Func<FileStream> open)
    {
        var since = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                return open();
            }
            catch (IOException) when (since.Elapsed < TimeSpan.FromSeconds(10))
            {
                Thread.Sleep(20);
            }
        }
    }

    private static string Hash(string path) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(path)))[..10];
}
