/** A Mosquitto of the test's own, on a free port, and a client to speak through it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { Child } from "./process.mjs";

const READY_LIMIT_MS = 10_000;
const HEAR_LIMIT_MS = 15_000;

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function startBroker() {
  const directory = await mkdtemp(join(tmpdir(), "cubelet-broker-"));
  const port = await freePort();
  const file = join(directory, "mosquitto.conf");
  await writeFile(
    file,
    [`listener ${port} 127.0.0.1`, "allow_anonymous true", "persistence false", "set_tcp_nodelay true", ""].join("\n"),
  );
  const child = new Child("mosquitto", process.env.MOSQUITTO ?? "mosquitto", ["-c", file, "-v"]);
  const running = (line) => (/mosquitto version .* running/.test(line) ? true : undefined);
  await child.line(child.stderr, running, READY_LIMIT_MS);
  return {
    port,
    tail: () => child.tail(),
    async end() {
      await child.end();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Watches and commands one device. */
export class Control {
  #heard = [];
  #waiting = new Set();
  #state = new Map();
  #next = 0;

  static async connect(port, device) {
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5 });
    const control = new Control(client, `cubelet/${device}`);
    client.on("message", (topic, payload) => control.#onMessage(topic, payload));
    await client.subscribeAsync(`cubelet/${device}/#`, { qos: 1 });
    return control;
  }

  constructor(client, root) {
    this.client = client;
    this.root = root;
  }

  /** Sends a command and gives its reply; throws when the device refuses. */
  command(verb, fields = {}) {
    return this.#order(`cmd/${verb}`, fields);
  }

  /** Sets a part of the desired settings; throws when the device refuses. */
  set(part, fields) {
    return this.#order(`${part}/set`, fields);
  }

  async #order(topic, fields) {
    const id = `test-${(this.#next += 1)}`;
    const reply = this.hear(`${topic}/reply`, (payload) => payload.id === id);
    const payload = JSON.stringify({ id, ...fields });
    await this.client.publishAsync(`${this.root}/${topic}`, payload, { qos: 1 });
    const answer = await reply;
    if (!answer.ok) throw new Error(`${topic} refused: ${JSON.stringify(answer.error)}`);
    return answer;
  }

  /** The first message on the topic that matches, heard already or to come; each is given once. */
  hear(topic, match = () => true, limitMs = HEAR_LIMIT_MS) {
    const fits = (message) => message.topic === topic && match(message.payload);
    const at = this.#heard.findIndex(fits);
    if (at >= 0) return Promise.resolve(this.#heard.splice(at, 1)[0].payload);
    return this.#wait(limitMs, `${topic}; last heard:\n${this.tail()}`, (done) => (message) => {
      if (!message || !fits(message)) return false;
      this.#heard.splice(this.#heard.indexOf(message), 1);
      done(message.payload);
      return true;
    });
  }

  /** Waits until the retained part of the state (`call`, `chat`, …) satisfies `match`. */
  state(part, match, limitMs = HEAR_LIMIT_MS) {
    const topic = `${part}/state`;
    const now = this.#state.get(topic);
    if (now && match(now)) return Promise.resolve(now);
    const what = () => `${topic}; it is ${JSON.stringify(this.#state.get(topic))}`;
    return this.#wait(limitMs, what, (done) => () => {
      const value = this.#state.get(topic);
      if (!value || !match(value)) return false;
      done(value);
      return true;
    });
  }

  tail() {
    const shown = this.#heard.slice(-25).map(({ topic, payload }) => `  ${topic} ${JSON.stringify(payload)}`);
    return [...shown, ...[...this.#state].map(([topic, value]) => `  ${topic} ${JSON.stringify(value)}`)].join("\n");
  }

  async end() {
    await this.client.endAsync();
  }

  #wait(limitMs, what, start) {
    return new Promise((resolve, reject) => {
      const finish = (value) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve(value);
      };
      const look = start(finish);
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        reject(new Error(`${this.root}: waited ${limitMs} ms for ${typeof what === "string" ? what : what()}`));
      }, limitMs);
      this.#waiting.add(look);
    });
  }

  #onMessage(topic, bytes) {
    const short = topic.slice(this.root.length + 1);
    const text = bytes.toString();
    const payload = text.startsWith("{") ? JSON.parse(text) : text;
    let message;
    if (short.endsWith("/state")) this.#state.set(short, payload);
    else if (!short.startsWith("cmd/") || short.endsWith("/reply")) {
      message = { topic: short, payload };
      this.#heard.push(message);
      if (this.#heard.length > 500) this.#heard.shift();
    }
    for (const look of [...this.#waiting]) if (look(message)) break;
  }
}
