// Microsoft's RESP server, for machines without redis-server. https://microsoft.github.io/garnet/
using var server = new Garnet.GarnetServer(args);
server.Start();
Thread.Sleep(Timeout.Infinite);
