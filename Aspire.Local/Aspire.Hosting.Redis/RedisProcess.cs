using System.Text;
using System.Text.Json;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Orchestration;
using Microsoft.Extensions.Configuration;
using StackExchange.Redis;

namespace Aspire.Hosting.Redis;

/// <summary>
/// Runs <c>redis-server</c> or Garnet, on loopback only, with a password. <c>Aspire:Local:Redis</c> set to <c>redis</c>
/// or <c>garnet</c> chooses one; otherwise it is <c>redis-server</c> when the PATH has it.
/// </summary>
internal sealed class RedisProcess(RedisResource server, IConfiguration configuration, string appHostDirectory)
{
    private ConfigurationOptions? _options;

    private string? Volume => server.DataVolume();

    /// <summary>Takes the volume, and says what to install when there is neither server.</summary>
    public Task PrepareAsync(RequirementContext context, CancellationToken cancellationToken)
    {
        if (!UseGarnet && Unix.Find("redis-server") is null)
        {
            throw new DistributedApplicationException(
                "'redis-server' was not found on the PATH: install it (apt-get install redis-server), or leave "
                + "'Aspire:Local:Redis' unset to use Garnet.");
        }

        context.Folders.DataFolder(Volume, server.Name);
        return Task.CompletedTask;
    }

    private bool UseGarnet => configuration["Aspire:Local:Redis"] is { } choice
        ? choice.Equals("garnet", StringComparison.OrdinalIgnoreCase)
        : Unix.Find("redis-server") is null;

    /// <summary>
    /// How to start it. The password goes in by standard input or a private file, never as an argument.
    /// </summary>
    public async Task<ProcessSpec> DescribeAsync(ProcessContext context, CancellationToken cancellationToken)
    {
        var password = await server.PasswordParameter!.GetValueAsync(cancellationToken);
        var data = context.Folders.DataFolder(Volume, server.Name);
        Unix.MakePrivateFolder(data, owner: null);
        return UseGarnet
            ? Garnet(context.Folders, data, password)
            : Redis(data, password);
    }

    /// <summary>Whether the server answers a PING.</summary>
    public async Task<bool> AnswersAsync(int replica, CancellationToken cancellationToken)
    {
        if (_options is null)
        {
            var connectionString = await ((IResourceWithConnectionString)server)
                .GetConnectionStringAsync(cancellationToken);
            _options = ConfigurationOptions.Parse(connectionString!);
            _options.ConnectTimeout = _options.AsyncTimeout = 2_000;
            _options.ConnectRetry = 1;
        }

        await using var connection = await ConnectionMultiplexer.ConnectAsync(_options).WaitAsync(cancellationToken);
        await connection.GetDatabase().PingAsync().WaitAsync(cancellationToken);
        return true;
    }

    private ProcessSpec Redis(string data, string? password) => new("redis-server")
    {
        Arguments = ["-"],
        WorkingDirectory = data,
        StandardInput = $"""
            bind 127.0.0.1 -::1
            port {server.PrimaryEndpoint.Port}
            requirepass {Quoted(password)}
            dir {data}
            appendonly {(Volume is null ? "no" : "yes")}
            save ""

            """,
    };

    /// <summary>As a value in redis.conf: what is no letter or digit is escaped, so that none ends the value.</summary>
    private static string Quoted(string? value) => "\"" + string.Concat(Encoding.UTF8.GetBytes(value ?? "")
        .Select(b => char.IsAsciiLetterOrDigit((char)b) ? $"{(char)b}" : $"\\x{b:x2}")) + "\"";

    private ProcessSpec Garnet(AppHostFolders folders, string data, string? password) => new("dotnet")
    {
        Arguments =
        [
            "tool", "run", "garnet-server", "--",
            "--config-import-path", folders.SecretFile(server.Name, $$"""
                {
                  "Address": "localhost",
                  "Port": {{server.PrimaryEndpoint.Port}},
                  "AuthenticationMode": "Password",
                  "Password": {{JsonSerializer.Serialize(password)}},
                  "CheckpointDir": "{{data.Replace('\\', '/')}}",
                  "EnableAOF": {{(Volume is null ? "false" : "true")}},
                  "Recover": {{(Volume is null ? "false" : "true")}},
                  "EnableLua": true,
                  "MemorySize": "256m",
                  "IndexSize": "16m",
                  "PageSize": "4m"
                }
                """),
        ],
        WorkingDirectory = appHostDirectory, // The tool manifest is found from here upwards.
    };
}
