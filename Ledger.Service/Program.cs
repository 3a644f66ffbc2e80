using Ledger.Service;
using Ledger.Service.Verification;

var builder = WebApplication.CreateBuilder(args);

builder.AddServiceDefaults();
builder.AddTokenAuthentication();
builder.AddServiceDatabase<LedgerDb>("ledgerdb");
builder.AddBalanceCache("cache");
builder.AddLedger();
builder.AddVerification(args);
builder.Services.AddOpenApi(options => options.DescribeApi());

var app = builder.Build();

app.UseProblems();
app.UseAuthentication();
app.UseAuthorization();
app.MapDefaultEndpoints();
app.MapOpenApi();
app.MapLedger();

return VerifyCommand.IsAskedFor(args) ? await app.VerifyAsync() : await app.RunServiceAsync();
