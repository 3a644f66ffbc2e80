using Aspire.Dashboard.Otlp.Wire;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;

namespace Aspire.Dashboard.Otlp;

/// <summary>
/// OTLP/gRPC: names the Export methods for traces, logs and metrics, and how they read. Generated services would make
/// the objects of a request before anybody could count them.
/// </summary>
internal sealed class OtlpGrpc : IServiceMethodProvider<Intake>
{
    /// <inheritdoc/>
    public void OnServiceMethodDiscovery(ServiceMethodProviderContext<Intake> context)
    {
        Add<ExportTraceServiceRequest, ExportTraceServiceResponse>(
            context, TraceServiceReflection.Descriptor, (intake, r) => OtlpAnswers.Traces(intake.Add(r)));
        Add<ExportLogsServiceRequest, ExportLogsServiceResponse>(
            context, LogsServiceReflection.Descriptor, (intake, r) => OtlpAnswers.Logs(intake.Add(r)));
        Add<ExportMetricsServiceRequest, ExportMetricsServiceResponse>(
            context, MetricsServiceReflection.Descriptor, (intake, r) => OtlpAnswers.Metrics(intake.Add(r)));
    }

    private static void Add<TRequest, TResponse>(
        ServiceMethodProviderContext<Intake> context, FileDescriptor file, Func<Intake, TRequest, TResponse> take)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new()
    {
        var method = file.Services[0].Methods[0];
        var export = new Method<TRequest, TResponse>(
            MethodType.Unary, method.Service.FullName, method.Name,
            MarshallerOf<TRequest>(), MarshallerOf<TResponse>());
        context.AddUnaryMethod(
            export, metadata: [], (intake, request, _) => Task.FromResult(take(intake, request)));
    }

    private static Marshaller<TMessage> MarshallerOf<TMessage>()
        where TMessage : IMessage<TMessage>, new() =>
        new(message => message.ToByteArray(), OtlpReader<TMessage>.Read);
}
