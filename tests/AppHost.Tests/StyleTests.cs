namespace AppHost.Tests;

/// <summary>The limits that keep the source readable. What a tool wrote (bin, obj, Migrations) is left out.</summary>
public sealed class StyleTests
{
    private const int MaxLineLength = 120;
    private const int MaxFileLines = 400;
    private const int MaxProgramLines = 40;
    private const int MaxAppHostLines = 60;

    private static readonly string[] LeftOut = ["bin", "obj", "Migrations"];
    private static readonly string Root = FindRoot();

    [Fact]
    public void Line_OfAnyFile_HasAtMost120Characters()
    {
        var files = SourceFiles(Root).ToList();
        Assert.NotEmpty(files);
        AssertNone(files.SelectMany(file => File.ReadLines(file).Index()
            .Where(line => line.Item.Length > MaxLineLength)
            .Select(line => $"{Place(file, line.Index + 1)} has {line.Item.Length} characters: {line.Item.Trim()}")));
    }

    [Fact]
    public void File_OfAnyKind_HasAtMost400Lines() => AssertLength(SourceFiles(Root), MaxFileLines);

    [Fact]
    public void Program_OfAnyService_HasAtMost40Lines() => AssertLength(
        SourceFiles(Root).Where(file => Path.GetFileName(file) == "Program.cs"), MaxProgramLines);

    [Fact]
    public void AppHost_Described_HasAtMost60Lines() =>
        AssertLength([Path.Combine(Root, "AppHost", "AppHost.cs")], MaxAppHostLines);

    private static void AssertLength(IEnumerable<string> files, int maxLines)
    {
        var lengths = files.Select(file => (File: file, Lines: File.ReadLines(file).Count())).ToList();
        Assert.NotEmpty(lengths);
        AssertNone(lengths.Where(length => length.Lines > maxLines)
            .Select(length => $"{Place(length.File, maxLines + 1)} is beyond {maxLines} lines: it has {length.Lines}"));
    }

    /// <summary>Says every offence in full; Assert.Empty would cut the list and its lines short.</summary>
    private static void AssertNone(IEnumerable<string> offences)
    {
        var message = string.Join(Environment.NewLine, offences.Order(StringComparer.Ordinal));
        Assert.True(message.Length == 0, message);
    }

    private static string Place(string file, int line) => $"{Path.GetRelativePath(Root, file)}:{line}";

    private static IEnumerable<string> SourceFiles(string folder) => Directory.EnumerateFiles(folder, "*.cs")
        .Concat(Directory.EnumerateDirectories(folder).Where(IsOurs).SelectMany(SourceFiles));

    private static bool IsOurs(string folder) =>
        Path.GetFileName(folder) is var name && !name.StartsWith('.') && !LeftOut.Contains(name);

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "AspireChat.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName
            ?? throw new InvalidOperationException($"No AspireChat.sln above {AppContext.BaseDirectory}.");
    }
}
