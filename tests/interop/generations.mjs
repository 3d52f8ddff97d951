/**
 * Older generations of the official SDK's Node build on the hub, each talking to the present one
 * (wire reference G). Their REST is always HTTPS, so the hub's authority is made known to them.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { Inbox } from "./lib/member.mjs";
import { Site } from "./lib/site.mjs";

const LIMIT_MS = 10_000;

/** Calls of an older SDK, and what it reports. */
class Generation {
  #process;
  #count = 0;
  #answers = new Inbox("answers");

  constructor(name, ca) {
    this.events = new Inbox(`${name} events`);
    this.#process = spawn("node", ["lib/generation.mjs", name], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, NODE_EXTRA_CA_CERTS: ca },
    });
    createInterface({ input: this.#process.stdout }).on("line", (line) => {
      const message = JSON.parse(line);
      (message.event ? this.events : this.#answers).put(message);
    });
  }

  async call(path, ...args) {
    const id = ++this.#count;
    this.#process.stdin.write(`${JSON.stringify({ id, path, args })}\n`);
    const answer = await this.#answers.take((message) => message.id === id, `answer to ${path}`, LIMIT_MS);
    if (answer.error) throw Object.assign(new Error(`${path}: ${JSON.stringify(answer.error)}`), answer.error);
    return answer.value;
  }

  event(name, match) {
    return this.events.take((message) => message.event === name && match(...message.args), name);
  }

  end() {
    this.#process.stdin.end();
  }
}

const site = await Site.start();
const { check, ready } = site;
try {
  const [present] = await site.connected("present");
  for (const version of ["3", "4", "5"]) await generation(version, present);
} catch (error) {
  site.report.abort("script", error);
} finally {
  await site.end();
}
process.exit(site.report.failed ? 1 : 0);

async function generation(version, present) {
  const old = new Generation(`connectycube-${version}`, ready.ca);
  const name = `generation-${version}`;
  const [{ user }] = await site.people(name);
  const { host } = new URL(ready.https);
  await check(`${version}: a session is created`, async () => {
    const options = {
      endpoints: { api: host, chat: ready.chat, muc: `muc.${ready.chat}` },
      chatProtocol: { websocket: ready.chat_url, active: 2 },
      debug: { mode: 0 },
    };
    const credentials = { appId: ready.app_id, authKey: ready.auth_key, authSecret: "signs-as-it-likes" };
    await old.call("init", credentials, options);
    const session = await old.call("createSession", { login: user.login, password: user.password });
    assert.equal(session.user_id, user.id);
    assert.equal(session.user.login, user.login);
  });
  await check(`${version}: the chat opens`, async () => {
    await old.call("chat.connect", { userId: user.id, password: user.password });
  });
  const dialog = await present.chat.dialog.create({ type: 2, name: version, occupants_ids: [user.id] });
  await check(`${version}: messages go both ways, with their delivery`, async () => {
    const id = await old.call("chat.send", present.id, {
      type: "chat",
      body: `from ${version}`,
      extension: { save_to_history: 1, mood: "old" },
      markable: 1,
    });
    const message = await present.hears(id);
    assert.equal(message.body, `from ${version}`);
    assert.equal(message.extension.mood, "old");
    await old.event("onDeliveredStatusListener", (delivered) => delivered === id);
    const back = present.say(user.id, `to ${version}`);
    const [from, heard] = (await old.event("onMessageListener", (_from, { id: heardId }) => heardId === back)).args;
    assert.equal(from, present.id);
    assert.equal(heard.body, `to ${version}`);
    assert.match(heard.dialog_id, /^[0-9a-f]{24}$/);
  });
  await check(`${version}: joining a room settles and is told`, async () => {
    await present.chat.muc.join(dialog._id);
    await old.call("chat.muc.join", dialog._id);
    await present.joins.take((entry) => entry.who === user.id, "joining");
    const online = await old.call("chat.muc.listOnlineUsers", dialog._id);
    // 4.x and 5.x look for the list in an attribute, so for them nobody is ever online.
    const seen = version === "3" ? [present.id, user.id] : [];
    assert.deepEqual(online.map(Number).sort(), seen.sort());
  });
  await check(`${version}: group messages go both ways`, async () => {
    const id = await old.call("chat.send", dialog._id, {
      type: "groupchat",
      body: `all from ${version}`,
      extension: { save_to_history: 1, dialog_id: dialog._id },
    });
    const message = await present.hears(id);
    assert.equal(message.dialog_id, dialog._id);
    assert.equal(message.from, user.id);
    const back = present.say(dialog._id, `all to ${version}`);
    const [from, heard] = (await old.event("onMessageListener", (_from, { id: heardId }) => heardId === back)).args;
    assert.equal(from, present.id);
    assert.equal(heard.dialog_id, dialog._id);
  });
  old.end();
}
