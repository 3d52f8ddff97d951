/**
 * The official SDK's Node build against the hub: REST and chat, a check per promise of the
 * wire contract, on values.
 */
import assert from "node:assert/strict";
import { phoneUrl, prepareSdk, signUp, startHub } from "./lib/hub.mjs";
import { Member } from "./lib/member.mjs";
import { Report } from "./lib/report.mjs";

const report = new Report();
const check = report.check.bind(report);
const hub = await startHub();
const members = [];
try {
  await run(hub.ready);
} catch (error) {
  report.abort("script", error);
} finally {
  for (const member of members) await member.disconnect().catch(() => undefined);
  await hub.end();
  report.print(hub.tail());
}
// The SDK leaves timers behind; nothing is pending that matters.
process.exit(report.failed ? 1 : 0);

async function refused(promise) {
  return await promise.then(
    (value) => assert.fail(`was not refused: ${JSON.stringify(value)}`),
    (error) => error,
  );
}

async function run(ready) {
  const tag = Date.now().toString(36);
  const person = (name) => ({
    login: `${name}-${tag}`,
    password: `${name}-password`,
    full_name: `${name} ${tag}`,
  });
  const users = await signUp(ready, [person("alice"), person("bob"), person("carol")]);
  const [alice, bob, carol] = users.map((user) => new Member(ready, user));
  members.push(alice, bob, carol);
  await sessions(ready, alice, bob, carol);
  await people(alice, bob);
  await connections(ready, alice, bob, carol);
  const dialog = await privateDialog(alice, bob);
  await privateMessages(ready, alice, bob, dialog);
  await markersAndCounts(alice, bob, dialog);
  await changes(alice, bob, dialog);
  await groups(alice, bob, carol);
  await presence(alice, bob, carol);
  await signals(alice, bob);
  await offline(alice, carol);
  await expiry(alice);
}

async function sessions(ready, alice, bob, carol) {
  await check("the phone's configuration names the application", async () => {
    const config = await (await fetch(new URL("config.json", phoneUrl(ready)))).json();
    assert.deepEqual(
      { app_id: config.app_id, auth_key: config.auth_key, chat: config.chat },
      { app_id: ready.app_id, auth_key: ready.auth_key, chat: ready.chat },
    );
  });
  await check("signing up twice with one login is refused", async () => {
    const sdk = prepareSdk(ready);
    await sdk.createSession();
    const { login } = alice.user;
    const error = await refused(sdk.users.signup({ login, password: "another-password" }));
    assert.equal(error.code, 422);
    assert.match(JSON.stringify(error.info.errors), /taken/);
  });
  await check("a wrong password is 401", async () => {
    const error = await refused(alice.sdk.createSession({ login: alice.user.login, password: "wrong" }));
    assert.equal(error.code, 401);
  });
  await check("an unknown login is 404", async () => {
    const error = await refused(alice.sdk.createSession({ login: "nobody-here", password: "whatever" }));
    assert.equal(error.code, 404);
  });
  for (const member of [alice, bob, carol]) {
    await check(`session of ${member.user.login.split("-")[0]} carries the user`, async () => {
      const session = await member.login();
      assert.equal(session.user_id, member.id);
      assert.equal(session.user.login, member.user.login);
      assert.equal(session.user.password, undefined);
      assert.ok(session.token.length >= 16);
    });
  }
  await check("the session can be read back", async () => {
    const session = await alice.sdk.getSession();
    assert.equal(session.user_id, alice.id);
    assert.equal(session.token, alice.session.token);
  });
}

async function people(alice, bob) {
  await check("users/v2 finds by id list", async () => {
    const { items, total_entries } = await alice.sdk.users.getV2({ id: { in: [alice.id, bob.id] } });
    assert.deepEqual(items.map((user) => user.id).sort(), [alice.id, bob.id].sort());
    assert.equal(total_entries, 2);
  });
  await check("users/v2 finds by login", async () => {
    const { items } = await alice.sdk.users.getV2({ login: bob.user.login });
    assert.deepEqual(items.map((user) => user.id), [bob.id]);
  });
  await check("users/v2 finds by the start of a name", async () => {
    const { items } = await alice.sdk.users.getV2({ full_name: { start_with: bob.user.full_name.slice(0, 9) } });
    assert.deepEqual(items.map((user) => user.id), [bob.id]);
  });
  await check("a user changes their name and phone", async () => {
    const { user } = await bob.sdk.users.update({ full_name: "Bob the Second", phone: "47" });
    assert.equal(user.full_name, "Bob the Second");
    const { items } = await alice.sdk.users.getV2({ id: bob.id });
    assert.equal(items[0].full_name, "Bob the Second");
    assert.equal(items[0].phone, "47");
  });
}

async function connections(ready, alice, bob, carol) {
  await check("chat refuses a wrong password", async () => {
    const stranger = new Member(ready, carol.user);
    const error = await refused(stranger.connect("not-the-password"));
    assert.equal(error, "not-authorized");
    await stranger.disconnect();
  });
  await check("chat takes the password", async () => {
    await alice.connect();
    assert.equal(alice.chat.connectionStatus, "online");
    assert.equal(alice.chat.currentUserId, alice.id);
  });
  await check("chat takes the session token as password", async () => {
    await bob.connect(bob.session.token);
    assert.equal(bob.chat.currentUserId, bob.id);
  });
  await check("a third member connects", () => carol.connect());
  await check("ping is answered", () => alice.chat.pingWithTimeout(3_000));
}

async function privateDialog(alice, bob) {
  let dialog;
  await check("a private dialog is created once for both", async () => {
    dialog = await alice.chat.dialog.create({ type: 3, occupants_ids: [bob.id] });
    assert.match(dialog._id, /^[0-9a-f]{24}$/);
    assert.equal(dialog.type, 3);
    assert.deepEqual([...dialog.occupants_ids].sort(), [alice.id, bob.id].sort());
    assert.equal(dialog.name, "Bob the Second");
    assert.equal(dialog.xmpp_room_jid, null);
    const again = await bob.chat.dialog.create({ type: 3, occupants_ids: [alice.id] });
    assert.equal(again._id, dialog._id);
    assert.equal(again.name, alice.user.full_name);
  });
  return dialog;
}

async function privateMessages(ready, alice, bob, dialog) {
  await check("a private message arrives with dialog, date and own fields", async () => {
    const body = "hi <b> & \"you\" 🚪";
    const id = alice.say(bob.id, body, { dialog_id: dialog._id, date_sent: 1760000000, mood: "calm" });
    const message = await bob.hears(id);
    assert.equal(message.from, alice.id);
    assert.equal(message.body, body);
    assert.equal(message.type, "chat");
    assert.equal(message.dialog_id, dialog._id);
    assert.equal(message.recipient_id, bob.id);
    assert.equal(message.extension.mood, "calm");
    assert.equal(message.extension.date_sent, "1760000000");
  });
  await check("the other way round", async () => {
    const id = bob.say(alice.id, "hello", { dialog_id: dialog._id });
    const message = await alice.hears(id);
    assert.equal(message.from, bob.id);
    assert.equal(message.body, "hello");
  });
  await check("the hub adds the dialog to a message without one", async () => {
    const id = alice.say(bob.id, "no dialog given");
    const message = await bob.hears(id);
    assert.equal(message.dialog_id, dialog._id);
    assert.match(message.extension.date_sent, /^\d{10}$/);
  });
  await check("the hub acknowledges what it has taken", async () => {
    const id = alice.say(bob.id, "acknowledge me", { dialog_id: dialog._id });
    const { sent } = await alice.sent.take((entry) => entry.sent?.id === id, "acknowledgement");
    assert.equal(sent.body, "acknowledge me");
    await bob.hears(id);
  });
  await check("a second device of the sender gets a copy", async () => {
    const tablet = new Member(ready, alice.user);
    members.push(tablet);
    await tablet.login();
    await tablet.connect();
    // The copies are asked for right after going online, and a ping overtakes nothing.
    await tablet.chat.ping();
    const id = alice.say(bob.id, "from my phone", { dialog_id: dialog._id });
    const copy = await tablet.hears(id);
    assert.equal(copy.from, alice.id);
    assert.equal(copy.is_forwarded, true);
    assert.equal(copy.dialog_id, dialog._id);
    await bob.hears(id);
    await tablet.disconnect();
  });
  await check("history keeps the messages under their ids, oldest first on demand", async () => {
    const { items } = await bob.chat.message.list({
      chat_dialog_id: dialog._id,
      sort_asc: "date_sent",
      mark_as_read: 0,
    });
    const first = items[0];
    assert.equal(first.message, "hi <b> & \"you\" 🚪");
    assert.equal(first.mood, "calm");
    assert.equal(first.sender_id, alice.id);
    assert.equal(first.date_sent, 1760000000);
    assert.ok(items.some((item) => item.message === "from my phone"));
  });
}

async function markersAndCounts(alice, bob, dialog) {
  let id;
  await check("the receiver's SDK reports delivery", async () => {
    id = alice.say(bob.id, "did it come?", { dialog_id: dialog._id });
    const marker = await alice.delivered.take((entry) => entry.id === id, "delivery marker");
    assert.deepEqual(marker, { id, dialog: dialog._id, from: bob.id });
  });
  await check("unread messages are counted per dialog", async () => {
    const counts = await bob.chat.message.unreadCount({ chat_dialog_ids: [dialog._id] });
    assert.ok(counts[dialog._id] >= 1);
    assert.equal(counts.total, counts[dialog._id]);
    const { items } = await bob.chat.dialog.list({ _id: dialog._id });
    assert.equal(items[0].unread_messages_count, counts[dialog._id]);
    assert.equal(items[0].last_message, "did it come?");
    assert.equal(items[0].last_message_user_id, alice.id);
    // Whether it arrived is for its author to see.
    assert.equal(items[0].last_message_status, null);
    const own = await alice.chat.dialog.list({ _id: dialog._id });
    assert.equal(own.items[0].last_message_status, "delivered");
  });
  await check("the author is told of reading", async () => {
    const before = await bob.chat.message.unreadCount({ chat_dialog_ids: [dialog._id] });
    bob.chat.sendReadStatus({ messageId: id, dialogId: dialog._id, userId: alice.id });
    const marker = await alice.read.take((entry) => entry.id === id, "read marker");
    assert.deepEqual(marker, { id, dialog: dialog._id, from: bob.id });
    const after = await bob.chat.message.unreadCount({ chat_dialog_ids: [dialog._id] });
    assert.equal(after.total, before.total - 1);
  });
  await check("markers are kept with the message", async () => {
    const { items } = await alice.chat.message.list({ chat_dialog_id: dialog._id, _id: id, mark_as_read: 0 });
    assert.equal(items.length, 1);
    assert.ok(items[0].delivered_ids.includes(bob.id));
    assert.ok(items[0].read_ids.includes(bob.id));
  });
  await check("reading the history marks it read", async () => {
    await bob.chat.message.list({ chat_dialog_id: dialog._id });
    const counts = await bob.chat.message.unreadCount({ chat_dialog_ids: [dialog._id] });
    assert.equal(counts.total, 0);
  });
}

async function changes(alice, bob, dialog) {
  await check("typing and its end are relayed", async () => {
    alice.chat.sendIsTypingStatus(bob.id);
    const start = await bob.typing.take((entry) => entry.from === alice.id, "typing");
    assert.equal(start.on, true);
    alice.chat.sendIsStopTypingStatus(bob.id);
    const stop = await bob.typing.take((entry) => entry.from === alice.id, "end of typing");
    assert.equal(stop.on, false);
  });
  await check("the author edits a message", async () => {
    const id = alice.say(bob.id, "tpyo", { dialog_id: dialog._id });
    await bob.hears(id);
    alice.chat.editMessage({
      to: bob.id,
      dialogId: dialog._id,
      body: "typo",
      originMessageId: id,
      last: true,
    });
    const edit = await bob.edits.take((entry) => entry.id === id, "edit");
    assert.equal(edit.body, "typo");
    assert.equal(edit.last, true);
    const { items } = await bob.chat.message.list({ chat_dialog_id: dialog._id, _id: id, mark_as_read: 0 });
    assert.equal(items[0].message, "typo");
  });
  await check("the author deletes a message for both", async () => {
    const id = alice.say(bob.id, "forget this", { dialog_id: dialog._id });
    await bob.hears(id);
    alice.chat.deleteMessage({ to: bob.id, dialogId: dialog._id, messageId: id });
    await bob.deletions.take((entry) => entry.id === id, "deletion");
    const { items } = await bob.chat.message.list({ chat_dialog_id: dialog._id, mark_as_read: 0 });
    assert.ok(!items.some((item) => item._id === id));
  });
}

async function groups(alice, bob, carol) {
  let group;
  await check("a group is created with a room", async () => {
    group = await alice.chat.dialog.create({ type: 2, name: "House", occupants_ids: [bob.id] });
    assert.equal(group.type, 2);
    assert.equal(group.name, "House");
    assert.equal(group.user_id, alice.id);
    assert.match(group.xmpp_room_jid, new RegExp(`_${group._id}@muc\\.`));
  });
  await check("occupants are added and the group renamed", async () => {
    const updated = await alice.chat.dialog.update(group._id, {
      name: "The house",
      push_all: { occupants_ids: [carol.id] },
    });
    assert.equal(updated.name, "The house");
    assert.deepEqual([...updated.occupants_ids].sort(), [alice.id, bob.id, carol.id].sort());
    const { items } = await carol.chat.dialog.list({ type: 2 });
    assert.deepEqual(items.map((item) => item.name), ["The house"]);
  });
  await check("a group message reaches all without joining, and its author", async () => {
    const id = bob.say(group._id, "who is at the gate?");
    for (const member of [alice, carol, bob]) {
      const message = await member.hears(id);
      assert.equal(message.from, bob.id);
      assert.equal(message.type, "groupchat");
      assert.equal(message.dialog_id, group._id);
      assert.equal(message.body, "who is at the gate?");
    }
  });
  await check("group delivery is reported to the author by each", async () => {
    const id = alice.say(group._id, "the postman");
    const from = new Set();
    while (from.size < 2) {
      const marker = await alice.delivered.take((entry) => entry.id === id, "group delivery marker");
      from.add(marker.from);
    }
    assert.deepEqual([...from].sort(), [bob.id, carol.id].sort());
  });
  await check("group typing carries the group", async () => {
    carol.chat.sendIsTypingStatus(group._id);
    const typing = await alice.typing.take((entry) => entry.from === carol.id, "group typing");
    assert.equal(typing.dialog, group._id);
  });
  await check("a stranger to the group cannot rename it", async () => {
    const other = await alice.chat.dialog.create({ type: 2, name: "Private", occupants_ids: [carol.id] });
    const error = await refused(bob.chat.dialog.update(other._id, { name: "Mine" }));
    assert.ok([403, 404].includes(error.code), `code ${error.code}`);
  });
}

async function presence(alice, bob, carol) {
  await check("last activity of somebody online is 0", async () => {
    const { userId, seconds } = await alice.chat.getLastUserActivity(bob.id);
    assert.deepEqual({ userId, seconds }, { userId: bob.id, seconds: 0 });
  });
  await check("a subscriber learns that somebody left and came back", async () => {
    alice.chat.subscribeToUserLastActivityStatus(carol.id);
    await alice.chat.ping();
    await carol.disconnect();
    const left = await alice.activity.take((entry) => entry.from === carol.id, "leaving");
    // 0 means online, also for somebody who left this very second.
    assert.ok(left.seconds > 0, `left ${left.seconds} s ago`);
    await carol.connect();
    const back = await alice.activity.take((entry) => entry.from === carol.id, "coming back");
    assert.equal(back.seconds, 0);
  });
}

async function signals(alice, bob) {
  await check("a system message keeps its fields", async () => {
    alice.chat.sendSystemMessage(bob.id, {
      body: "door",
      extension: { cubelet: "unlock", session_id: "s-1", request_id: "r-1" },
    });
    const message = await bob.system.take((entry) => entry.userId === alice.id, "system message");
    assert.equal(message.body, "door");
    assert.equal(message.extension.cubelet, "unlock");
    assert.equal(message.extension.request_id, "r-1");
    assert.equal(message.extension.moduleIdentifier, undefined);
  });
  await check("a call is rejected by REST", async () => {
    const body = {
      sessionID: "b3f0a1de-0000-4000-8000-000000000001",
      recipientId: bob.id,
      platform: "web",
      userInfo: { reason: "busy" },
    };
    await alice.sdk.service.ajax({
      type: "POST",
      url: alice.sdk.utils.getUrl("calls", "reject"),
      data: body,
    });
    const isReject = (stanza) => stanza.getChild("extraParams")?.getChildText("signalType") === "reject";
    const stanza = await bob.stanzas.take(isReject, "reject signal");
    const params = stanza.getChild("extraParams");
    assert.equal(stanza.attrs.type, "headline");
    assert.equal(params.getChildText("moduleIdentifier"), "WebRTCVideoChat");
    assert.equal(params.getChildText("sessionID"), body.sessionID);
    assert.equal(params.getChild("userInfo").getChildText("reason"), "busy");
    assert.ok(stanza.attrs.from.startsWith(`${alice.id}-`));
  });
}

async function offline(alice, carol) {
  await check("what was written meanwhile arrives at the next connection", async () => {
    await carol.disconnect();
    const id = alice.say(carol.id, "while you were out");
    await alice.sent.take((entry) => entry.sent?.id === id, "acknowledgement");
    await carol.connect();
    const message = await carol.hears(id);
    assert.equal(message.body, "while you were out");
    const marker = await alice.delivered.take((entry) => entry.id === id, "late delivery marker");
    assert.equal(marker.from, carol.id);
  });
}

async function expiry(alice) {
  await check("a destroyed session is refused with the words the SDK renews on", async () => {
    await alice.sdk.destroySession();
    alice.sdk.setSession({ token: alice.session.token });
    const error = await refused(alice.sdk.users.getV2({ id: alice.id }));
    assert.equal(error.code, 401);
    assert.equal(error.info.errors.base[0], "Required session does not exist");
  });
}
