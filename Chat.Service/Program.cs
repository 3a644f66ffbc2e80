using Chat.Service;
using Chat.Service.Chats;
using Chat.Service.Conversations;
using Chat.Service.Ledger;
using Chat.Service.Models;
using Chat.Service.OpenAi;
using Chat.Service.Reconciliation;
using Chat.Service.Usage;

var builder = WebApplication.CreateBuilder(args);

builder.AddServiceDefaults();
builder.AddTokenAuthentication();
builder.AddServiceDatabase<ChatDb>("chatdb");
builder.AddLedgerClient();
builder.AddModels();
builder.AddChats();
builder.AddReconciliation(args);
builder.Services.AddOpenApi(options => options.DescribeApi());

var app = builder.Build();

app.UseProblems();
app.UseAuthentication();
app.UseAuthorization();
app.MapDefaultEndpoints();
app.MapOpenApi();
app.MapChats();
app.MapHistory();
app.MapConversations();
app.MapErasure();
app.MapOpenAi();
app.MapUsage();

return ReconcileCommand.IsAskedFor(args) ? await app.ReconcileAsync(args) : await app.RunServiceAsync();
