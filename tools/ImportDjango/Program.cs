using ImportDjango;
using Spectre.Console.Cli;

var app = new CommandApp<ImportCommand>();
app.Configure(ImportCommand.Configure);
return await app.RunAsync(args);
