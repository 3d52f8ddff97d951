/**
 * One user of the official SDK's Node build writing to another, every message saved to history.
 * BENCH_JOB says where and how much; prints one line of JSON. Started by `make bench-chat`.
 */
import ConnectyCube from "connectycube";
import { sdkOptions } from "./lib/hub.mjs";

const { ready, author, receiver, messages, window, body } = JSON.parse(process.env.BENCH_JOB);

async function connect(person) {
  const sdk = new ConnectyCube.ConnectyCube();
  sdk.init({ appId: ready.app_id, authKey: ready.auth_key }, sdkOptions(ready));
  await sdk.createSession({ login: person.login, password: person.password });
  await sdk.chat.connect({ userId: person.id, password: person.password });
  return sdk.chat;
}

const [writer, reader] = [await connect(author), await connect(receiver)];
const sentAt = new Map();
const latencies = [];
let sent = 0;
const used = process.cpuUsage();
const begin = performance.now();
const end = await new Promise((resolve, reject) => {
  const write = () => {
    while (sent < messages && sentAt.size < window) {
      const now = performance.now();
      const extension = { save_to_history: 1, date_sent: 1760000000 };
      const id = writer.send(receiver.id, { type: "chat", body, extension });
      sentAt.set(id, now);
      sent += 1;
    }
  };
  reader.onMessageListener = (from, message) => {
    const since = sentAt.get(message.id);
    if (since === undefined) return reject(new Error(`message ${message.id} came twice or was not sent`));
    sentAt.delete(message.id);
    latencies.push(performance.now() - since);
    if (latencies.length === messages) resolve(performance.now());
    else write();
  };
  write();
});
const { user, system } = process.cpuUsage(used);
latencies.sort((one, other) => one - other);
const quantile = (share) => latencies[Math.round((latencies.length - 1) * share)];
const seconds = (end - begin) / 1000;
const cost = (user + system) / messages;
console.log(JSON.stringify({ per_second: messages / seconds, p50: quantile(0.5), p99: quantile(0.99), cost }));
process.exit(0);
