using Chat.Service;
using Chat.Service.Chats;
using Chat.Service.Ledger;
using Chat.Service.Models;

var builder = WebApplication.CreateBuilder(args);

builder.AddServiceDefaults();
builder.AddTokenAuthentication();
builder.AddServiceDatabase<ChatDb>("chatdb");
builder.AddLedgerClient();
builder.Services.AddChatClient(new MockChatClient());
builder.Services.AddValidation();
builder.Services.AddOptions<ChatSettings>().BindConfiguration("Chat").ValidateDataAnnotations().ValidateOnStart();
builder.Services.AddSingleton<ChatStore>();
builder.Services.AddScoped<PaidReply>();
builder.Services.AddHostedService<EraseLateChats>();

var app = builder.Build();

app.UseProblems();
app.UseAuthentication();
app.UseAuthorization();
app.MapDefaultEndpoints();
app.MapChats();
app.MapErasure();
app.MapImport();

return await app.RunServiceAsync();
