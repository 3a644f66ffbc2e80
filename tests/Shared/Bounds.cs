namespace Tests.Shared;

/// <summary>The bound of every wait in a test: it ends a test that hangs and never decides one that does not.</summary>
internal static class Bounds
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static Task Soon(this Task task) => task.WaitAsync(Limit, TestContext.Current.CancellationToken);

    public static Task<T> Soon<T>(this Task<T> task) => task.WaitAsync(Limit, TestContext.Current.CancellationToken);
}
