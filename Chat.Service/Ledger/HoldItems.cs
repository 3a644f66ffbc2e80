using System.Security.Cryptography;
using Chat.Service.Chats;

namespace Chat.Service.Ledger;

/// <summary>What this service asks of the ledger.</summary>
internal static class HoldItems
{
    extension(HoldItem)
    {
        /// <summary>Holds the most that a chat can cost.</summary>
        public static HoldItem Hold(PendingChat chat) => new(
            HoldOperation.Hold, chat.UserId, chat.Id, chat.Holder, chat.Most, chat.Hash, chat.Key, chat.Conversation);

        /// <summary>Holds what a stored chat has cost, whose hold is gone.</summary>
        public static HoldItem HoldAgain(StoredChat chat) => new(
            HoldOperation.Hold, chat.UserId, chat.HoldId, Guid.CreateVersion7(), chat.Cost,
            chat.RequestHash ?? SHA256.HashData([])); // Its user has deleted what was asked.

        /// <summary>Takes what a stored chat has cost, and ends its hold.</summary>
        public static HoldItem Capture(StoredChat chat) =>
            new(HoldOperation.Capture, chat.UserId, chat.HoldId, Amount: chat.Cost);

        /// <summary>Ends a hold of which nothing is taken.</summary>
        public static HoldItem Release(OpenHold hold) =>
            new(HoldOperation.Release, hold.Account, hold.Id, hold.Holder);
    }
}
