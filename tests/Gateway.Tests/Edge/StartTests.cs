namespace Gateway.Tests.Edge;

/// <summary>What cannot be meant stops the start, with a sentence and no stack trace.</summary>
public sealed class StartTests
{
    [Theory]
    [InlineData("Connections:Max=0", "Max")]
    [InlineData("Connections:Grace=00:00:01", "Grace")]
    [InlineData("Connections:RequestTime=soon", "Connections:RequestTime")]
    [InlineData("Connections:BodyTime=00:00:00", "BodyTime")]
    [InlineData("Cors:Origins:0=app.example", "Cors:Origins")]
    [InlineData("Cors:Origins:0=https://app.example/", "Cors:Origins")]
    [InlineData("Cors:Origins:0=https://app.example/page", "Cors:Origins")]
    [InlineData("Cors:Origins:0=ftp://app.example", "Cors:Origins")]
    [InlineData("Cors:Origins:0=", "Cors:Origins")]
    [InlineData("Proxies:0=proxy.example", "'proxy.example' in 'Proxies'")]
    [InlineData("Proxies:0=10.0.0.0/33", "'10.0.0.0/33' in 'Proxies'")]
    [InlineData("Proxies:0=", "'' in 'Proxies'")]
    [InlineData("Https:Certificate:Path=/nowhere/cert.pfx", "'/nowhere/cert.pfx', cannot be used")]
    [InlineData("Https:Certificate:KeyPath=/nowhere/key.pem", "'Https:Certificate:Path'")]
    [InlineData("Proxies:0=10", "'10' in 'Proxies'")]
    [InlineData("Proxies:0=010.0.0.7", "'010.0.0.7' in 'Proxies'")]
    [InlineData("Proxies=10.0.0.7", "'Proxies' is a list")]
    [InlineData("Proxies:First=10.0.0.7", "no setting 'Proxies:First'")]
    [InlineData("Cors:Origins=https://app.example", "'Cors:Origins' is a list")]
    [InlineData("Cors=https://app.example", "'Cors' is a section")]
    [InlineData("Https:Certificate=cert.pem", "'Https:Certificate' is a section")]
    [InlineData("Connections=5", "'Connections' is a section")]
    [InlineData("Connections:MaxConnections=5", "no setting 'Connections:MaxConnections'")]
    [InlineData("Connections:Max:0=5", "'Connections:Max' is one value")]
    [InlineData("Limits:Chat=5", "'Limits:Chat' is a section")]
    [InlineData("Limits:Chats:Permits=5", "no setting 'Limits:Chats'")]
    [InlineData("Https:Certificate:Path=", "'', cannot be used")]
    [InlineData("Https:Redirect=true", "'Https:Port'")]
    [InlineData("Https:Port=0", "Port")]
    [InlineData("Limits:Chat:Permits=0", "'chat'")]
    [InlineData("Limits:Login:Window=00:00:00", "'login'")]
    [InlineData("Limits:Patience=00:01:00", "Patience")]
    [InlineData("ReverseProxy:Routes:chat:Metadata:Limit=none", "names a limit")]
    [InlineData("urls=https://127.0.0.1:0", "HTTPS endpoint")]
    public async Task Setting_ThatDoesNotFit_IsNamedAndStopsTheStart(string setting, string named)
    {
        var (exitCode, error) = await GatewayProcess.RunAsync($"--{setting}");
        Assert.Equal(1, exitCode);
        Assert.Contains(named, error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Origins_AllAndOneMore_StopTheStart()
    {
        var (exitCode, error) = await GatewayProcess.RunAsync(
            "--Cors:Origins:0=*", "--Cors:Origins:1=https://app.example");
        Assert.Equal(1, exitCode);
        Assert.Contains("'*' alone", error, StringComparison.Ordinal);
    }
}
