using Microsoft.Extensions.Options;

namespace Identity.Service;

/// <summary>Stops a service whose options are wrong with a sentence instead of a stack trace.</summary>
internal static class OptionsCheck
{
    /// <summary>Validates every option that asks for it at start.</summary>
    /// <param name="app">The service, built and not yet started.</param>
    /// <returns>False when options are wrong; standard error says which.</returns>
    public static bool OptionsAreSound(this WebApplication app)
    {
        try
        {
            app.Services.GetRequiredService<IStartupValidator>().Validate();
            return true;
        }
        catch (OptionsValidationException wrong)
        {
            Console.Error.WriteLine(string.Join(Environment.NewLine, wrong.Failures));
        }
        catch (AggregateException wrong)
        {
            Console.Error.WriteLine(
                string.Join(Environment.NewLine, wrong.InnerExceptions.Select(each => each.Message)));
        }
        catch (InvalidOperationException wrong)
        {
            // A value that does not convert, such as a TimeSpan of "soon". The message names the key.
            Console.Error.WriteLine(wrong.Message);
        }

        return false;
    }
}
