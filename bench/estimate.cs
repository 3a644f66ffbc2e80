// How long does it take to count the tokens of a text, before a model is asked? Prints the best and the median of 7.
//   dotnet run -c Release bench/estimate.cs
#:project ../Chat.Service
using System.Diagnostics;
using Chat.Service.Models;

string[] words = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "says", "so"];
var random = new Random(1);
(string Name, Func<int, string> Make)[] kinds =
[
    ("prose", length => Fill(length, () => words[random.Next(words.Length)] + " ")),
    ("one endless Chinese word", length => Fill(length, () => $"{(char)random.Next(0x4e00, 0x9fa5)}")),
    ("spaces", length => new string(' ', length)),
    ("base64", length => Convert.ToBase64String(Bytes(length))[..length]),
];
TokenCounter.O200k.Load();
Console.WriteLine($"{"text",-26}{"characters",12}{"tokens",12}{"best ms",10}{"median",10}");
foreach (var (name, make) in kinds)
{
    foreach (var length in (int[])[1_000, 100_000, 8_000_000])
    {
        var (text, tokens, times) = (make(length), 0L, new List<double>());
        for (var round = 0; round < 7; round++)
        {
            var began = Stopwatch.GetTimestamp();
            tokens = TokenCounter.O200k.Count(text);
            times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        }

        times.Sort();
        Console.WriteLine($"{name,-26}{length,12:N0}{tokens,12:N0}{times[0],10:F2}{times[3],10:F2}");
    }
}

string Fill(int length, Func<string> next)
{
    var text = new System.Text.StringBuilder(length + 16);
    while (text.Length < length)
    {
        text.Append(next());
    }

    return text.ToString(0, length);
}

byte[] Bytes(int length)
{
    var bytes = new byte[length];
    random.NextBytes(bytes);
    return bytes;
}
