using System.IO.Pipelines;

namespace Chat.Service.Models;

/// <summary>
/// Passes an answer on when the first byte of its body is there. Many endpoints send their headers at once, whatever
/// becomes of the rest: one that stalls or breaks right after them has not answered.
/// </summary>
internal sealed class FirstByteHandler : DelegatingHandler
{
    /// <inheritdoc/>
    protected override async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var response = await base.SendAsync(request, cancellationToken);
        try
        {
            var body = PipeReader.Create(await response.Content.ReadAsStreamAsync(cancellationToken));
            var begin = await body.ReadAsync(cancellationToken);
            body.AdvanceTo(begin.Buffer.Start); // It is read again by whom it is for.
            var content = new StreamContent(body.AsStream());
            foreach (var (name, values) in response.Content.Headers.NonValidated)
            {
                content.Headers.TryAddWithoutValidation(name, values);
            }

            response.Content = content;
            return response;
        }
        catch (IOException cut)
        {
            response.Dispose();
            throw new HttpRequestException("The connection broke before the answer's first byte.", cut);
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }
}
