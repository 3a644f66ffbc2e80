using Chat.Service.Chats;
using Chat.Service.Conversations;
using Microsoft.Extensions.Options;

namespace Chat.Service;

/// <summary>Registers what this service is made of.</summary>
internal static class ChatServices
{
    /// <summary>
    /// Adds chats, conversations and models, and what sees to it that nothing is charged without a reply.
    /// </summary>
    /// <param name="builder">The service's builder.</param>
    public static void AddChats(this IHostApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddValidation();
        services.AddOptions<ChatSettings>().BindConfiguration("Chat").ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton<ChatMetrics>();
        services.AddSingleton<ChatStore>();
        services.AddSingleton<RunningChats>();
        services.AddSingleton<ReadLimits>();
        services.AddSingleton<Settlement>();
        services.AddSingleton<ChatPipeline>();
        services.AddSingleton<ChatRendering>();
        services.AddScoped<Erasure>();
        services.AddScoped<Memory>();
        services.AddHostedService<HoldKeeper>();
        services.AddHostedService<Drain>();
        services.AddOptions<HostOptions>().Configure<IOptions<ChatSettings>>(
            (host, chats) => host.ShutdownTimeout += chats.Value.DrainFor);
    }
}
