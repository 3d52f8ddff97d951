/**
 * An older generation of the official SDK in a process of its own, since each has one instance:
 * `node lib/generation.mjs PACKAGE`. Lines of JSON go in, `{"id","path","args"}` for a call of the
 * SDK, and out, `{"id","value"}`, `{"id","error"}` or `{"event","args"}`.
 */
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
// The SDK logs on stdout, which is for lines of JSON here.
console.log = (...args) => process.stderr.write(`${args.join(" ")}\n`);

const loaded = createRequire(import.meta.url)(process.argv[2]);
const sdk = loaded.default ?? loaded;

const EVENTS = ["onMessageListener", "onDeliveredStatusListener", "onMessageTypingListener", "onJoinOccupant"];

async function call(path, args) {
  const names = path.split(".");
  const last = names.pop();
  const owner = names.reduce((object, name) => object[name], sdk);
  const value = await owner[last](...args);
  if (path === "init") {
    for (const event of EVENTS) sdk.chat[event] = (...values) => say({ event, args: values });
  }
  return value;
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, path, args } = JSON.parse(line);
  call(path, args).then(
    (value) => say({ id, value: value ?? null }),
    (error) => say({ id, error: error instanceof Error ? { message: error.message } : error }),
  );
}
process.exit(0);
