using System.Diagnostics;
using Microsoft.Extensions.Configuration;

namespace AppHost.Servers;

/// <summary>
/// Where the servers keep things: data in a store that outlives the AppHost, the rest in a scratch folder that does
/// not. <c>--DataPath=DIR</c> moves the store.
/// </summary>
internal sealed class ServerFolders : IDisposable
{
    private const UnixFileMode Mine = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OthersPass = UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private const string ScratchPrefix = "aspirechat-";

    private readonly List<FileStream> _locks = [];
    private readonly string _store;

    /// <summary>Makes the scratch folder.</summary>
    public ServerFolders(IConfiguration configuration)
    {
        _store = Path.GetFullPath(configuration["DataPath"] ?? DefaultStore);
        DeleteScratchOfTheDead();
        Scratch = Directory.CreateTempSubdirectory($"{ScratchPrefix}{Environment.ProcessId}-").FullName;
        LetOthersPass(Scratch);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Dispose(); // Nobody disposes an application that has run.
    }

    /// <summary>The default store. The home of root is closed to the users that servers run as.</summary>
    public static string DefaultStore => Environment.IsPrivilegedProcess && !OperatingSystem.IsWindows()
        ? "/var/lib/aspirechat"
        : Path.Combine(
            Environment.GetFolderPath(
                Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.Create),
            "aspirechat");

    /// <summary>A folder that is deleted when the AppHost ends.</summary>
    public string Scratch { get; }

    /// <summary>The folder of a volume, kept to this AppHost: two servers on one folder destroy it.</summary>
    /// <exception cref="DistributedApplicationException">Another AppHost has it.</exception>
    public string TakeVolume(string name)
    {
        var folder = Path.Combine(_store, name);
        try
        {
            CreateOpen(_store);
            _locks.Add(new FileStream($"{folder}.lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
            return folder;
        }
        catch (IOException exception)
            when (exception is not DirectoryNotFoundException && File.Exists($"{folder}.lock"))
        {
            throw new DistributedApplicationException(
                $"The data in {folder} is in use by another AppHost: end that one, or give this one data of its own "
                + "with --DataPath=DIR.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DistributedApplicationException(
                $"Data cannot be kept in {_store} ({exception.Message}): choose another folder with --DataPath=DIR.",
                exception);
        }
    }

    /// <summary>Leaves the volumes to others and deletes the scratch folder. The servers have ended by then.</summary>
    public void Dispose()
    {
        _locks.ForEach(held => held.Dispose());
        TryDelete(Scratch);
    }

    /// <summary>Makes a folder that other users can pass through, whatever the umask; they cannot list it.</summary>
    public static void CreateOpen(string path)
    {
        if (!Directory.Exists(path))
        {
            CreateOpen(Path.GetDirectoryName(path)!);
            Directory.CreateDirectory(path);
            LetOthersPass(path);
        }
    }

    /// <summary>Makes a folder that only its owner can enter.</summary>
    public static void CreatePrivate(string path)
    {
        Directory.CreateDirectory(path);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, Mine);
        }
    }

    /// <summary>Writes a file that only its owner can read.</summary>
    public static void WritePrivate(string path, string content)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using var writer = new StreamWriter(new FileStream(path, options));
        writer.Write(content);
    }

    /// <summary>Deletes what a killed AppHost has left. The name of a folder has the id of its process.</summary>
    private static void DeleteScratchOfTheDead()
    {
        var living = Process.GetProcesses().Select(process => $"{process.Id}").ToHashSet();
        foreach (var folder in Directory.GetDirectories(Path.GetTempPath(), $"{ScratchPrefix}*-*"))
        {
            if (!living.Contains(Path.GetFileName(folder).Split('-')[1]))
            {
                TryDelete(folder);
            }
        }
    }

    private static void TryDelete(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It is deleted already, another user's, or a server that was left behind writes there.
        }
    }

    private static void LetOthersPass(string path)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, Mine | OthersPass);
        }
    }
}
