using System.Diagnostics;

namespace AppHost.Servers;

/// <summary>The user that a server runs as when the AppHost is root.</summary>
/// <param name="Name">The name of the user.</param>
/// <param name="Group">The number of the user's own group.</param>
internal sealed record ServerUser(string Name, string Group)
{
    private static readonly string[] Candidates = ["postgres", "nobody"];

    /// <summary>Finds a user on this machine.</summary>
    /// <exception cref="DistributedApplicationException">There is none, or no way to become it.</exception>
    public static ServerUser Find()
    {
        if (!Programs.OnPath("setpriv"))
        {
            throw new DistributedApplicationException(
                "PostgreSQL refuses to run as root, and 'setpriv' (package util-linux), which starts it as another "
                + "user, was not found: install it, or run the AppHost as an ordinary user.");
        }

        var users = File.ReadLines("/etc/passwd").Select(line => line.Split(':')) // name:password:user:group:…
            .Where(fields => fields.Length > 3).ToLookup(fields => fields[0], fields => fields[3]);
        return Candidates.Where(users.Contains).Select(name => new ServerUser(name, users[name].First()))
            .FirstOrDefault() ?? throw new DistributedApplicationException(
                "PostgreSQL refuses to run as root, and this machine has no other user: useradd --system postgres");
    }

    /// <summary>The words that start a program as this user.</summary>
    /// <param name="folder">
    /// A folder that the program works in. Where only root can get through its parents, such as below <c>/root</c>, the
    /// program may read there all the same.
    /// </param>
    public string[] CommandFor(string folder)
    {
        string[] command = ["setpriv", $"--reuid={Name}", $"--regid={Group}", "--clear-groups"];
        using var test = Process.Start(command[0], [.. command[1..], "test", "-x", Path.GetDirectoryName(folder)!]);
        test.WaitForExit();
        return test.ExitCode == 0
            ? command
            : [.. command, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"];
    }

    /// <summary>Gives a file, or a folder with all in it, to this user. Links in it are not followed.</summary>
    public void Own(string path)
    {
        using var chown = Process.Start("chown", ["-R", "-h", $"{Name}:{Group}", path]);
        chown.WaitForExit();
    }
}
