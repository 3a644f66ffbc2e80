using Ledger.Service;
using Ledger.Service.Accounts;
using Ledger.Service.History;
using Ledger.Service.Holds;
using Ledger.Service.Keys;
using Ledger.Service.Transfers;
using Ledger.Service.Verification;

var builder = WebApplication.CreateBuilder(args);

builder.AddServiceDefaults();
builder.AddTokenAuthentication();
builder.AddServiceDatabase<LedgerDb>("ledgerdb");
builder.AddBalanceCache("cache");
builder.Services.AddValidation();
builder.Services.AddOptions<LedgerOptions>().BindConfiguration("Ledger").ValidateDataAnnotations().ValidateOnStart();
builder.Services.AddSingleton<LedgerMetrics>();
builder.Services.AddSingleton<TokenLedger>().AddSingleton<HoldLedger>();
builder.AddVerification(args);
builder.Services.AddOpenApi(options => options.DescribeApi());

var app = builder.Build();

app.UseProblems();
app.UseAuthentication();
app.UseAuthorization();
app.MapDefaultEndpoints();
app.MapOpenApi();
app.MapTokens();
app.MapHistory();
app.MapKeys();
app.MapAdmin();
app.MapHolds();
app.MapAccounts();

return VerifyCommand.IsAskedFor(args) ? await app.VerifyAsync() : await app.RunServiceAsync();
