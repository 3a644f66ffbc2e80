using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Dashboard;
using Microsoft.Extensions.Hosting;

namespace Aspire.Hosting.Orchestration;

/// <summary>The environment variables and arguments that Aspire gives a process.</summary>
internal sealed class ProcessEnvironment(
    DashboardSetup dashboard, DistributedApplicationExecutionContext executionContext, IHostEnvironment environment)
{
    /// <summary>Completes a process's description with the variables and arguments of its resource.</summary>
    public async Task<ProcessSpec> CompleteAsync(
        ProcessSpec spec, IResource resource, string resourceId, int replica, CancellationToken cancellationToken)
    {
        var variables = new Dictionary<string, object>();
        AddAddresses(variables, resource, replica);
        if (resource is ProjectResource)
        {
            AddTelemetry(variables, resource, resourceId);
        }

        var context = new EnvironmentCallbackContext(executionContext, variables, cancellationToken);
        foreach (var annotation in resource.Annotations.OfType<EnvironmentCallbackAnnotation>())
        {
            await annotation.Callback(context);
        }

        var arguments = new CommandLineArgsCallbackContext([.. spec.Arguments], cancellationToken)
        {
            ExecutionContext = executionContext,
        };
        foreach (var annotation in resource.Annotations.OfType<CommandLineArgsCallbackAnnotation>())
        {
            await annotation.Callback(arguments);
        }

        var resolvedVariables = new Dictionary<string, string>(spec.Environment);
        foreach (var (name, value) in variables)
        {
            if (await ResolveAsync(value, cancellationToken) is { } resolved)
            {
                resolvedVariables[name] = resolved;
            }
        }

        List<string> words = [];
        foreach (var argument in arguments.Args)
        {
            words.Add(await ResolveAsync(argument, cancellationToken) ?? "");
        }

        return spec with { Arguments = words, Environment = resolvedVariables };
    }

    private static void AddAddresses(Dictionary<string, object> variables, IResource resource, int replica)
    {
        var endpoints = resource.Annotations.OfType<EndpointAnnotation>().ToList();
        var urls = endpoints
            .Where(endpoint => endpoint.UriScheme is "http" or "https"
                && endpoint.TargetPortEnvironmentVariable is null)
            .Select(endpoint => endpoint.ReplicaUrls.ElementAt(replica));
        if (resource is ProjectResource && string.Join(';', urls) is { Length: > 0 } joined)
        {
            variables["ASPNETCORE_URLS"] = joined;
        }

        foreach (var endpoint in endpoints.Where(endpoint => endpoint.TargetPortEnvironmentVariable is not null))
        {
            variables[endpoint.TargetPortEnvironmentVariable!] = $"{endpoint.ReplicaPorts[replica]}";
        }
    }

    private void AddTelemetry(Dictionary<string, object> variables, IResource resource, string resourceId)
    {
        variables["OTEL_SERVICE_NAME"] = resource.Name;
        variables["OTEL_RESOURCE_ATTRIBUTES"] = $"service.instance.id={resourceId}";
        if (dashboard.OtlpUrl is { } otlp)
        {
            variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = otlp;
            variables["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc";
            if (dashboard.OtlpHeaders is { } headers)
            {
                variables["OTEL_EXPORTER_OTLP_HEADERS"] = headers;
            }
        }

        if (environment.IsDevelopment())
        {
            // What happens is seen at once in development; elsewhere the exporters' own, slower rhythm is right.
            variables["OTEL_BLRP_SCHEDULE_DELAY"] = "1000";
            variables["OTEL_BSP_SCHEDULE_DELAY"] = "1000";
            variables["OTEL_METRIC_EXPORT_INTERVAL"] = "1000";
            variables["OTEL_TRACES_SAMPLER"] = "always_on";
        }
    }

    private static async ValueTask<string?> ResolveAsync(object value, CancellationToken cancellationToken) =>
        value is IValueProvider provider ? await provider.GetValueAsync(cancellationToken) : value.ToString();
}
