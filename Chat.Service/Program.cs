using Chat.Service;
using Chat.Service.Chats;
using Chat.Service.Conversations;
using Chat.Service.Ledger;

var builder = WebApplication.CreateBuilder(args);

builder.AddServiceDefaults();
builder.AddTokenAuthentication();
builder.AddServiceDatabase<ChatDb>("chatdb");
builder.AddLedgerClient();
builder.AddChats();

var app = builder.Build();

app.UseProblems();
app.UseAuthentication();
app.UseAuthorization();
app.MapDefaultEndpoints();
app.MapChats();
app.MapHistory();
app.MapConversations();
app.MapErasure();
app.MapImport();

return await app.RunServiceAsync();
