/** Lines that break under the SDK: wire reference A.2, A.3 and A.5; RT-08 to RT-14. */
import assert from "node:assert/strict";
import { cable } from "../lib/cable.mjs";
import { sameSet } from "../lib/site.mjs";

export const covers = [
  "chat.terminate",
  "chat.onConnectionErrorListener",
  "chat.onDisconnectedListener",
  "chat.onReconnectListener",
  "chat.onSentMessageCallback",
];

export async function run(site) {
  const { check } = site;
  const [alice, bob] = await site.people("alice", "bobby");
  const line = await cable(site.ready);
  // The SDK's settings are one for all its instances; a connection keeps those it began with.
  const phone = site.device(bob.user, line.ready);
  await phone.login();
  await phone.connect();
  const desk = site.device(alice.user, site.ready);
  await desk.login();
  await desk.connect();
  await Promise.all([phone.settled(), desk.settled()]);

  await check("a line that is cut is noticed, and the SDK comes back by itself", async () => {
    line.pull();
    await phone.disconnects.take(() => true, "disconnection");
    line.plug();
    await phone.reconnects.take(() => true, "reconnection");
    await phone.settled();
    assert.equal(phone.chat.connectionStatus, "online");
  });
  await check("what was written while the line was cut arrives, in order and once", async () => {
    line.pull();
    await phone.disconnects.take(() => true, "disconnection");
    const ids = ["one", "two", "three"].map((text) => desk.say(bob.id, text));
    await desk.sent.take((entry) => entry.sent?.id === ids.at(-1), "acknowledgement");
    line.plug();
    await phone.reconnects.take(() => true, "reconnection");
    for (const id of ids) await phone.hears(id);
    await phone.settled();
    assert.deepEqual(phone.messages.left, []);
  });
  await check("back on the line, both directions work and are acknowledged", async () => {
    const there = phone.say(alice.id, "there");
    assert.equal((await desk.hears(there)).body, "there");
    await phone.sent.take((entry) => entry.sent?.id === there, "acknowledgement");
    const back = desk.say(bob.id, "back");
    await phone.hears(back);
    await desk.delivered.take((entry) => entry.id === back, "delivery marker");
  });
  await check("what was on its way when the line broke is reported as lost or has been stored", async () => {
    const dialog = await desk.chat.dialog.create({ type: 3, occupants_ids: [bob.id] });
    phone.sent.clear();
    const sent = Array.from({ length: 20 }, (_, index) => phone.say(alice.id, `cut ${index}`));
    line.pull();
    await phone.disconnects.take(() => true, "disconnection");
    line.plug();
    await phone.reconnects.take(() => true, "reconnection");
    await phone.settled();
    // Leaving makes the SDK report what is still open.
    await phone.disconnect();
    const outcomes = phone.sent.left;
    const acknowledged = outcomes.filter(({ sent: message }) => message).map(({ sent: message }) => message.id);
    const { items } = await desk.chat.message.list({
      chat_dialog_id: dialog._id,
      message: { ctn: "cut " },
      mark_as_read: 0,
    });
    const stored = new Set(items.map((message) => message._id));
    assert.equal(stored.size, items.length, "stored twice");
    for (const id of acknowledged) assert.ok(stored.has(id), `acknowledged and not stored: ${id}`);
    const known = new Set(outcomes.map(({ sent: message, lost }) => (message ?? lost).id));
    sameSet([...known].filter((id) => sent.includes(id)), sent);
    await phone.connect();
  });
  await check("the presence of who is cut off ends, and comes back", async () => {
    desk.chat.subscribeToUserLastActivityStatus(bob.id);
    await desk.settled();
    await phone.disconnect();
    await desk.activity.take((entry) => entry.from === bob.id && entry.seconds > 0, "going");
    await phone.connect();
    await desk.activity.take((entry) => entry.from === bob.id && entry.seconds === 0, "coming");
  });
  await check("terminate ends the line without a word, and messages wait", async () => {
    const laptop = site.device(bob.user, line.ready);
    await laptop.login();
    await laptop.connect();
    await laptop.settled();
    laptop.chat.xmppClient.reconnect.stop();
    laptop.chat.terminate();
    await laptop.disconnects.take(() => true, "disconnection");
    assert.equal(laptop.chat.isConnected, false);
  });
  await check("a ping into a cut line fails in time and says so", async () => {
    phone.chat.xmppClient.reconnect.stop();
    line.pull();
    await phone.disconnects.take(() => true, "disconnection");
    const error = await phone.chat.pingWithTimeout(200).then(
      () => assert.fail("answered"),
      (reason) => reason,
    );
    assert.match(error, /Timed out after 200ms/);
    await phone.errors.take((entry) => /Timed out/.test(String(entry)), "connection error");
  });
  line.close();
}
