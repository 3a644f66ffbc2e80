using Aspire.Dashboard.Otlp.Wire;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;

namespace Aspire.Dashboard.Otlp;

/// <summary>OTLP/gRPC: the Export methods of the services for traces, logs and metrics.</summary>
/// <param name="intake">Takes in what comes.</param>
internal sealed class OtlpGrpc(Intake intake)
{
    /// <summary>
    /// Names the methods and how they read: generated services would make the objects of a request before anybody
    /// could count them.
    /// </summary>
    internal sealed class Methods : IServiceMethodProvider<OtlpGrpc>
    {
        /// <inheritdoc/>
        public void OnServiceMethodDiscovery(ServiceMethodProviderContext<OtlpGrpc> context)
        {
            Add<ExportTraceServiceRequest, ExportTraceServiceResponse>(
                context, TraceServiceReflection.Descriptor, (intake, r) => OtlpAnswers.Traces(intake.Add(r)));
            Add<ExportLogsServiceRequest, ExportLogsServiceResponse>(
                context, LogsServiceReflection.Descriptor, (intake, r) => OtlpAnswers.Logs(intake.Add(r)));
            Add<ExportMetricsServiceRequest, ExportMetricsServiceResponse>(
                context, MetricsServiceReflection.Descriptor, (intake, r) => OtlpAnswers.Metrics(intake.Add(r)));
        }

        private static void Add<TRequest, TResponse>(
            ServiceMethodProviderContext<OtlpGrpc> context, FileDescriptor file, Func<Intake, TRequest, TResponse> take)
            where TRequest : class, IMessage<TRequest>, new()
            where TResponse : class, IMessage<TResponse>, new()
        {
            var export = new Method<TRequest, TResponse>(
                MethodType.Unary, file.Services[0].FullName, file.Services[0].Methods[0].Name,
                new Marshaller<TRequest>(r => r.ToByteArray(), OtlpReader<TRequest>.Read),
                new Marshaller<TResponse>(r => r.ToByteArray(), OtlpReader<TResponse>.Read));
            context.AddUnaryMethod(
                export, metadata: [], (service, request, _) => Task.FromResult(take(service.Intake, request)));
        }
    }

    private Intake Intake { get; } = intake;
}
