using Chat.Service.Chats;
using Chat.Service.Models;
using Microsoft.Extensions.Hosting;

namespace Chat.Tests;

/// <summary>Chats, models and replies of tests.</summary>
internal static class TestChats
{
    /// <summary>A model at a flat price that a test has scripted.</summary>
    public static ChatModel Model(this ScriptedModel model, long cost, TimeSpan? timeout = null) =>
        model.Model(Price.Flat(cost), timeout);

    /// <summary>A model that a test has scripted.</summary>
    public static ChatModel Model(this ScriptedModel model, Price price, TimeSpan? timeout = null) =>
        new("scripted", model, price, timeout ?? TimeSpan.FromMinutes(10));

    /// <summary>A chat that is answered and costs all that is held.</summary>
    public static AnsweredChat Answered(this PendingChat chat, string text, long tokens) => new(
        chat,
        ScriptedModel.Answers(text).Model(chat.Most),
        new(text, "scripted", "stop", new(2, 0, 1), FirstPieceAfter: default, Duration: default),
        new HoldResult(HoldOutcome.Held, chat.Most, tokens + chat.Most, chat.Most));
}
