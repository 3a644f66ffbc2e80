using Gateway;
using Gateway.Description;
using Gateway.Edge;
using Gateway.Keys;
using Gateway.Limits;
using Gateway.Routing;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults(isEdge: true);
builder.AddEdge();
builder.AddTokenAuthentication();
builder.AddApiKeys();
builder.AddRateLimits();
builder.AddDescription();
builder.Services.AddReverseProxy()
    .LoadFromConfig(builder.Configuration.GetSection("ReverseProxy"))
    .AddServiceDiscoveryDestinationResolver()
    .AddKnownHeaders()
    .AddReplicaHealth().AddSmallBodies();

if (builder.BuildService() is not { } app)
{
    return 1;
}

app.UseEdge();
app.UseProblems();
app.UseRequestLimits();
app.UseApiKeys();
app.UseAuthentication();
app.UseEndedSessions();
app.UseUnauthorizedLimit();
app.UseAuthorization();
app.UseRateLimits();
app.MapDefaultEndpoints();
app.MapLanding();
app.MapDescription();
app.MapRoutes();

return await app.RunServiceAsync();
