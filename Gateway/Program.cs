using Gateway;
using Gateway.Description;
using Gateway.Keys;
using Gateway.Limits;
using Gateway.Routing;

var builder = WebApplication.CreateBuilder(args);

builder.AddServiceDefaults();
builder.AddTokenAuthentication();
builder.AddApiKeys();
builder.AddRateLimits();
builder.AddDescription();
builder.Services.AddReverseProxy()
    .LoadFromConfig(builder.Configuration.GetSection("ReverseProxy"))
    .AddServiceDiscoveryDestinations()
    .AddReplicaHealth()
    .AddRetries();

var app = builder.Build();

app.UseProblems();
app.UseBodyLimit();
app.UseApiKeys();
app.UseAuthentication();
app.UseAuthorization();
app.UseRateLimits();
app.MapDefaultEndpoints();
app.MapLanding();
app.MapDescription();
app.MapRoutes();

return await app.RunServiceAsync();
