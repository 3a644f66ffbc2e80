// Elastic's mock of an OTLP back end, unmodified: receiver.mjs FOLDER-WITH-THE-PACKAGE
// Prints "at ADDRESS", and then "span JSON" for each span that it is sent. What the mock itself prints is between them.
import { createRequire } from 'node:module';

const { MockOtlpServer } = createRequire(process.argv[2] + '/')('@elastic/mockotlpserver');
const text = (id) => (id ? Buffer.from(id).toString('hex') : '');
const server = new MockOtlpServer({
  logLevel: 'error',
  services: ['grpc'],
  grpcHostname: '127.0.0.1',
  grpcPort: 0,
  onTrace(request) {
    for (const { resource, scopeSpans } of request.resourceSpans) {
      const service = resource.attributes.find((attribute) => attribute.key === 'service.name')?.value.stringValue;
      for (const { scope, spans } of scopeSpans) {
        for (const span of spans) {
          console.log(`span ${JSON.stringify({
            service, scope: scope.name, name: span.name,
            trace: text(span.traceId), span: text(span.spanId), parent: text(span.parentSpanId),
          })}`);
        }
      }
    }
  },
});
await server.start();
console.log(`at ${server.grpcUrl}`);
