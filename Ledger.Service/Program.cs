using Ledger.Service;
using Ledger.Service.Accounts;
using Ledger.Service.Charges;
using Ledger.Service.Transfers;

var builder = WebApplication.CreateBuilder(args);

builder.AddServiceDefaults();
builder.AddTokenAuthentication();
builder.AddServiceDatabase<LedgerDb>("ledgerdb");
builder.AddBalanceCache("cache");
builder.Services.AddValidation();
builder.Services.AddOptions<LedgerOptions>().BindConfiguration("Ledger").ValidateDataAnnotations().ValidateOnStart();
builder.Services.AddSingleton<TransferStore>();
builder.Services.AddSingleton<TokenLedger>();

var app = builder.Build();

app.UseProblems();
app.UseAuthentication();
app.UseAuthorization();
app.MapDefaultEndpoints();
app.MapTokens();
app.MapCharges();

return await app.RunServiceAsync();
