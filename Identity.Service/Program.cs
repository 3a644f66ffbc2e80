using Identity.Service;

var builder = WebApplication.CreateBuilder(args);

// Hosted services start in the order they are added: migrate, then keys, clients and admin, then the server listens.
builder.AddServiceDefaults();
builder.AddAccountAuthentication();
builder.AddServiceDatabase<IdentityDb>("identitydb");
builder.AddAuthOptions();
builder.AddSigningKeys();
builder.AddServiceClients();
builder.AddBootstrapAdmin();
builder.Services.AddHostedService<PrepareAtStart>();
builder.AddKeyProtection();
builder.AddUsers();
builder.AddTokenServer();
builder.AddKeyRotationCommand(args);
builder.Services.AddValidation();
builder.Services.AddOpenApi(options => options.DescribeApi());

var app = builder.Build();

app.UseProblems();
app.UseForwardedHeaders();
app.UseRouting();
app.UseJsonGrants();
app.UseAuthentication();
app.UseAuthorization();
app.MapDefaultEndpoints();
app.MapOpenApi();
app.MapRegistration();
app.MapAccount();
app.MapOpening();
app.MapApiKeys();
app.MapSessions();
app.MapAdministration();
app.MapTokens();

return RotateCommand.IsAskedFor(args) ? await app.RotateKeysAsync() : await app.RunServiceAsync();
