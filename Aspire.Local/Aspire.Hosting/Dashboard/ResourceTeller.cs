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
    /// <summary>What is told in one message.</summary>
    private const int MaxBatch = 500;

    /// <summary>How much waits for a dashboard that does not keep up; then the oldest goes.</summary>
    private const int MaxWaiting = 10_000;

    /// <inheritdoc/>
    public override async Task Watch(
        WatchRequest request, IServerStreamWriter<Update> responseStream, ServerCallContext context)
    {
        Authorize(context);
        var mask = await SecretMask.OfAsync(model.Resources, dashboard.Secrets, context.CancellationToken);
        var news = Channel.CreateBounded<object>(
            new BoundedChannelOptions(MaxWaiting) { FullMode = BoundedChannelFullMode.DropOldest });
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
        var readers = Task.WhenAll(
            ReadStatesAsync(mask, news.Writer, ended.Token), ReadLinesAsync(news.Writer, ended.Token));
        try
        {
            await responseStream.WriteAsync(new Update { Application = environment.ApplicationName });
            while (await news.Reader.WaitToReadAsync(context.CancellationToken))
            {
                await responseStream.WriteAsync(NextBatch(news.Reader), context.CancellationToken);
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

    private static Update NextBatch(ChannelReader<object> news)
    {
        var update = new Update();
        for (var n = 0; n < MaxBatch && news.TryRead(out var item); n++)
        {
            if (item is Replica replica)
            {
                update.Replicas.Add(replica);
            }
            else
            {
                update.Lines.Add((ConsoleLine)item);
            }
        }

        return update;
    }

    private async Task ReadStatesAsync(SecretMask mask, ChannelWriter<object> news, CancellationToken ended)
    {
        await foreach (var state in notifications.WatchAsync(ended))
        {
            if (state.Resource is not DashboardResource)
            {
                await news.WriteAsync(await DescribeAsync(state, mask, ended), ended);
            }
        }
    }

    private async Task ReadLinesAsync(ChannelWriter<object> news, CancellationToken ended)
    {
        await foreach (var lines in output.WatchAllAsync(ended))
        {
            foreach (var line in lines.Where(line => line.ReplicaId != DashboardResource.ResourceName))
            {
                await news.WriteAsync(
                    new ConsoleLine
                    {
                        Replica = line.ReplicaId,
                        Number = line.Line.LineNumber,
                        Text = line.Line.Content,
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
            replica.Environment.Add(parameter.Secret
                ? new Variable { Name = "Value", Value = "••••••••", IsMasked = true }
                : Variable("Value", await parameter.GetValueAsync(cancellationToken) ?? ""));
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
