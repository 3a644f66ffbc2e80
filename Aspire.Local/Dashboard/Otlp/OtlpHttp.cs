using Aspire.Dashboard.Otlp.Wire;
using Google.Protobuf;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Aspire.Dashboard.Otlp;

/// <summary>OTLP/HTTP with protobuf bodies: POST /v1/traces, /v1/logs, /v1/metrics.</summary>
internal static class OtlpHttp
{
    private const string Protobuf = "application/x-protobuf";

    public static void MapOtlpHttp(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/traces", (HttpContext context, Intake intake) =>
            TakeAsync<ExportTraceServiceRequest>(context, r => OtlpAnswers.Traces(intake.Add(r))));
        routes.MapPost("/v1/logs", (HttpContext context, Intake intake) =>
            TakeAsync<ExportLogsServiceRequest>(context, r => OtlpAnswers.Logs(intake.Add(r))));
        routes.MapPost("/v1/metrics", (HttpContext context, Intake intake) =>
            TakeAsync<ExportMetricsServiceRequest>(context, r => OtlpAnswers.Metrics(intake.Add(r))));
    }

    private static async Task<IResult> TakeAsync<TRequest>(
        HttpContext context, Func<TRequest, IMessage> take)
        where TRequest : IMessage<TRequest>, new()
    {
        if (context.Request.ContentType?.Split(';')[0].Trim() != Protobuf)
        {
            return Refuse(StatusCodes.Status415UnsupportedMediaType, $"Send {Protobuf}; JSON is not read here.");
        }

        byte[] body;
        using (var copy = new MemoryStream())
        {
            // Beyond the limit the server refuses to read on, of what was compressed too: 413.
            await context.Request.Body.CopyToAsync(copy, context.RequestAborted);
            body = copy.ToArray();
        }

        try
        {
            return TypedResults.Bytes(take(OtlpReader<TRequest>.Read(body)).ToByteArray(), Protobuf);
        }
        catch (InvalidProtocolBufferException exception)
        {
            return Refuse(StatusCodes.Status400BadRequest, $"This is no such message: {exception.Message}");
        }
        catch (InvalidDataException exception)
        {
            return Refuse(StatusCodes.Status413PayloadTooLarge, exception.Message);
        }
    }

    private static ProblemHttpResult Refuse(int status, string detail) =>
        TypedResults.Problem(detail, statusCode: status);
}
