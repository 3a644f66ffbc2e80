// Calls AspireChat with the openai package from npm, as it is, and prints what came of it as JSON.
// node client.mjs FOLDER CALL, with OPENAI_BASE_URL and OPENAI_API_KEY, which the package reads by itself.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [folder, call] = process.argv.slice(2);
const { default: OpenAI } = createRequire(join(folder, 'package.json'))('openai');
const client = new OpenAI();
const failing = { model: 'mock', messages: [{ role: 'user', content: 'Hello [[error 2]]' }] };
const hello = { model: 'mock', messages: [{ role: 'user', content: 'Hello from npm' }] };

const calls = {
  complete: async () => await client.chat.completions.create(hello),
  stream: async () => {
    const stream = await client.chat.completions.create(
      { ...hello, stream: true, stream_options: { include_usage: true } });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    return {
      text: chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? '').join(''),
      pieces: chunks.length,
      role: chunks[0].choices[0].delta.role,
      finish_reason: chunks.findLast((chunk) => chunk.choices.length > 0).choices[0].finish_reason,
      usage: chunks.at(-1).usage,
    };
  },
  'stream-helper': async () => {
    const final = await client.chat.completions.stream(hello).finalChatCompletion();
    return { text: final.choices[0].message.content };
  },
  'failing-stream': async () => {
    for await (const _ of await client.chat.completions.create({ ...failing, stream: true }));
  },
  'failing-stream-helper': async () => await client.chat.completions.stream(failing).finalChatCompletion(),
  turns: async () => {
    const first = await client.chat.completions.create(hello);
    const messages = [...hello.messages, first.choices[0].message, { role: 'user', content: 'And again' }];
    const second = await client.chat.completions.create({ ...hello, messages });
    return { text: second.choices[0].message.content };
  },
  models: async () => {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    return { ids, one: (await client.models.retrieve('mock')).id };
  },
  'unknown-model': async () => await client.chat.completions.create({ ...hello, model: 'nobody' }),
  tools: async () => await client.chat.completions.create(
    { ...hello, tools: [{ type: 'function', function: { name: 'f', parameters: {} } }] }),
};

try {
  console.log(JSON.stringify({ result: await calls[call]() }));
} catch (error) {
  const { status, code, type, param, message, requestID } = error;
  console.log(JSON.stringify({
    error: { name: error.constructor.name, status, code, type, param, message, requestId: requestID },
  }));
}
