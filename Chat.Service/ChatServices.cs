using Chat.Service.Charges;
using Chat.Service.Chats;
using Chat.Service.Conversations;

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
        services.AddSingleton<InFlight>();
        services.AddSingleton<ReplicaNotes>();
        services.AddScoped<ChatAnswers>();
        services.AddScoped<Delivery>();
        services.AddScoped<Memory>();
        services.AddScoped<PaidReply>();
        services.AddHostedService<Reconciler>();
        services.AddHostedService<EraseLateChats>();
    }
}
