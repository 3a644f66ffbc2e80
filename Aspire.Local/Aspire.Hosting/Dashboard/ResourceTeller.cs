using System.Collections.Concurrent;
using System.Threading.Channels;
using Aspire.Dashboard.Resources.Wire;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Orchestration;
using Grpc.Core;
using Microsoft.Extensions.Hosting;

namespace Aspire.Hosting.Dashboard;

/// <summary>Tells the dashboard of the resources and their output, and carries out its commands.</summary>
internal sealed class ResourceTeller(
    DistributedApplicationModel model,
    ResourceNotificationService notifications,
    ResourceLoggerService output,
    ResourceCommandService commands,
    RunningResources running,
    DashboardSetup dashboard,
    IHostEnvironment environment) : ResourceService.ResourceServiceBase
{
    /// <summary>How many lines are told in one message, which gRPC takes up to 4 MiB of.</summary>
    private const int MaxLines = 100;

    /// <summary>How much of a line is told, in characters.</summary>
    private const int MaxLineLength = 8 * 1024;

    /// <summary>How many lines are made ready for a dashboard that does not keep up; the others wait unread.</summary>
    private const int MaxWaiting = 1_000;

    /// <summary>In place of a line: there is a new state.</summary>
    private static readonly ConsoleLine NewState = new();

    /// <inheritdoc/>
    public override async Task Watch(
        WatchRequest request, IServerStreamWriter<Update> responseStream, ServerCallContext context)
    {
        Authorize(context);
        var mask = await SecretMask.OfAsync(model.Resources, dashboard.Secrets, context.CancellationToken);
        var states = new ConcurrentDictionary<string, Replica>();
        var news = Channel.CreateBounded<ConsoleLine>(MaxWaiting);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
        var readers = Task.WhenAll(
            EndWithAsync(news.Writer, ReadStatesAsync(mask, states, news.Writer, ended.Token)),
            EndWithAsync(news.Writer, ReadLinesAsync(mask, news.Writer, ended.Token)));
        try
        {
            await responseStream.WriteAsync(new Update { Application = environment.ApplicationName });
            while (await news.Reader.WaitToReadAsync(context.CancellationToken))
            {
                await responseStream.WriteAsync(NextBatch(states, news.Reader), context.CancellationToken);
            }
        }
        finally
        {
            await ended.CancelAsync();
            await readers.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <inheritdoc/>
    public override async Task<ExecuteResponse> Execute(ExecuteRequest request, ServerCallContext context)
    {
        Authorize(context);
        if (request.Id.Equals(DashboardResource.ResourceName, StringComparison.OrdinalIgnoreCase))
        {
            return new ExecuteResponse { Message = "The dashboard does not stop itself." };
        }

        var result = await commands.ExecuteCommandAsync(request.Id, request.Command, context.CancellationToken);
        return new ExecuteResponse { Success = result.Success, Message = result.Message ?? "" };
    }

    /// <summary>What a reader fails with ends the call: the dashboard asks again, and hears everything.</summary>
    private static async Task EndWithAsync(ChannelWriter<ConsoleLine> news, Task reader)
    {
        try
        {
            await reader;
        }
        catch (Exception exception)
        {
            news.TryComplete(exception);
        }
    }

    private static Update NextBatch(ConcurrentDictionary<string, Replica> states, ChannelReader<ConsoleLine> news)
    {
        var update = new Update();
        for (var n = 0; n < MaxLines && news.TryRead(out var line); n++)
        {
            if (line != NewState)
            {
                update.Lines.Add(line);
            }
        }

        foreach (var id in states.Keys)
        {
            if (states.TryRemove(id, out var replica))
            {
                update.Replicas.Add(replica);
            }
        }

        return update;
    }

    private async Task ReadStatesAsync(
        SecretMask mask, ConcurrentDictionary<string, Replica> states, ChannelWriter<ConsoleLine> news,
        CancellationToken ended)
    {
        await foreach (var state in notifications.WatchAsync(ended))
        {
            if (state.Resource is not DashboardResource)
            {
                states[state.ResourceId] = await DescribeAsync(state, mask, ended);
                news.TryWrite(NewState); // When there is no room, it goes with what is there.
            }
        }
    }

    private async Task ReadLinesAsync(SecretMask mask, ChannelWriter<ConsoleLine> news, CancellationToken ended)
    {
        await foreach (var lines in output.WatchAllAsync(ended))
        {
            foreach (var line in lines.Where(line => line.ReplicaId != DashboardResource.ResourceName))
            {
                var content = line.Line.Content;
                var text = content.Length < ResourceLoggerService.MaxLineLength
                    ? mask.Apply(content)
                    : mask.ApplyToCut(content);
                await news.WriteAsync(
                    new ConsoleLine
                    {
                        Replica = line.ReplicaId,
                        Number = line.Line.LineNumber,
                        Text = text.Length <= MaxLineLength ? text : text[..MaxLineLength] + "…",
                        IsError = line.Line.IsErrorMessage,
                        TimeUnixMs = new DateTimeOffset(line.Time).ToUnixTimeMilliseconds(),
                    },
                    ended);
            }
        }
    }

    private async Task<Replica> DescribeAsync(ResourceEvent state, SecretMask mask, CancellationToken cancellationToken)
    {
        var snapshot = state.Snapshot;
        var replica = new Replica
        {
            Id = state.ResourceId,
            Resource = state.Resource.Name,
            Kind = snapshot.ResourceType.EndsWith("Resource", StringComparison.Ordinal)
                ? snapshot.ResourceType[..^"Resource".Length]
                : snapshot.ResourceType,
            State = snapshot.State?.Text ?? "",
            Health = snapshot.HealthStatus?.ToString() ?? "",
            StartedUnixMs = snapshot.StartTimeStamp is { } started
                ? new DateTimeOffset(started).ToUnixTimeMilliseconds() : 0,
            Pid = snapshot.Properties.FirstOrDefault(p => p.Name == ReplicaRunner.PidProperty)?.Value as int? ?? 0,
            Source = SourceOf(state.Resource),
            HasProcess = running.Find(state.ResourceId).Count > 0,
            Order = model.Resources.IndexOf(state.Resource),
        };
        if (snapshot.ExitCode is { } exitCode)
        {
            replica.ExitCode = exitCode;
        }

        replica.Urls.AddRange(snapshot.Urls.Select(url => new Url
        {
            Url_ = url.Url,
            Text = url.DisplayProperties.DisplayName,
            Endpoint = url.Name ?? "",
            IsInactive = url.IsInactive,
            IsDetail = url.IsInternal,
        }));
        replica.Environment.AddRange(snapshot.EnvironmentVariables.Select(v => Variable(v.Name, v.Value ?? "")));
        if (state.Resource is ParameterResource parameter)
        {
            replica.Environment.Add(
                Variable(parameter.Name, await SecretMask.ValueOfAsync(parameter, cancellationToken)));
        }

        replica.Relationships.AddRange(state.Resource.Annotations.OfType<ResourceRelationshipAnnotation>()
            .Select(r => (r.Resource.Name, r.Type)).Concat(ParentOf(state.Resource)).Distinct()
            .Select(r => new Relationship { Resource = r.Name, Type = r.Type }));
        return replica;

        Variable Variable(string name, string value)
        {
            var (shown, isMasked) = mask.Apply(name, value);
            return new Variable { Name = name, Value = shown, IsMasked = isMasked };
        }
    }

    private static string SourceOf(IResource resource) => resource switch
    {
        ExecutableResource program => program.Command,
        _ => resource.Annotations.OfType<IProjectMetadata>().FirstOrDefault() is { } project
            ? Path.GetFileName(project.ProjectPath)
            : "",
    };

    private static IEnumerable<(string Name, string Type)> ParentOf(IResource resource) =>
        resource is IResourceWithParent child ? [(child.Parent.Name, "Parent")] : [];

    private void Authorize(ServerCallContext context)
    {
        if (context.RequestHeaders.GetValue("x-resource-service-api-key") != dashboard.ResourceServiceApiKey)
        {
            throw new RpcException(new Status(StatusCode.Unauthenticated, "The key is another one."));
        }
    }
}
