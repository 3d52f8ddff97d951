/** Chat between people: wire reference A, B.1 to B.7 and B.9; RT-01 to RT-48. */
import assert from "node:assert/strict";
import { ChatEvent } from "connectycube";
import { OBJECT_ID, refused } from "../lib/site.mjs";

export const covers = [
  "chat.addListener",
  "chat.connect",
  "chat.deleteMessage",
  "chat.disconnect",
  "chat.editMessage",
  "chat.getLastUserActivity",
  "chat.helpers.getBsonObjectId",
  "chat.helpers.getUniqueId",
  "chat.helpers.getUserIdFromJID",
  "chat.helpers.getUserJid",
  "chat.helpers.isNumeric",
  "chat.helpers.jidOrUserId",
  "chat.helpers.typeChat",
  "chat.markActive",
  "chat.markInactive",
  "chat.ping",
  "chat.pingWithTimeout",
  "chat.removeAllListeners",
  "chat.removeListener",
  "chat.send",
  "chat.sendDeliveredStatus",
  "chat.sendIsStopTypingStatus",
  "chat.sendIsTypingStatus",
  "chat.sendReadStatus",
  "chat.sendSystemMessage",
  "chat.sendWebRTCSignalingMessage",
  "chat.subscribeToUserLastActivityStatus",
  "chat.unsubscribeFromUserLastActivityStatus",
  "chat.onChatStatusListener",
  "chat.onDeliveredStatusListener",
  "chat.onLastUserActivityListener",
  "chat.onMessageDeleteListener",
  "chat.onMessageErrorListener",
  "chat.onMessageListener",
  "chat.onMessageTypingListener",
  "chat.onMessageUpdateListener",
  "chat.onReadStatusListener",
  "chat.onSentMessageCallback",
  "chat.onSystemMessageListener",
];

export async function run(site) {
  const [alice, bob, carol] = await site.people("alice", "bobby", "carol");
  await connecting(site, alice, bob, carol);
  const dialog = await alice.chat.dialog.create({ type: 3, occupants_ids: [bob.id] });
  await privateMessages(site, dialog, alice, bob, carol);
  await devices(site, dialog, alice, bob);
  await markers(site, dialog, alice, bob);
  await typing(site, alice, bob);
  await changes(site, dialog, alice, bob, carol);
  await signals(site, alice, bob);
  await restSignals(site, alice, bob);
  await activity(site, alice, carol);
  await offline(site, alice, carol);
  await listeners(site, alice, bob);
}

async function stored(member, dialog, id) {
  const { items } = await member.chat.message.list({ chat_dialog_id: dialog._id, _id: id, mark_as_read: 0 });
  return items[0];
}

async function connecting({ check, ready }, alice, bob, carol) {
  await check("a wrong password is not-authorized", async () => {
    assert.equal(await refused(carol.connect("not-the-password")), "not-authorized");
    await carol.disconnect();
  });
  await check("the password opens the chat", async () => {
    assert.equal(await alice.connect(), undefined);
    assert.equal(alice.chat.connectionStatus, "online");
    assert.equal(alice.chat.isConnected, true);
    assert.equal(alice.chat.currentUserId, alice.id);
    assert.ok(alice.statuses.left.includes("online"));
  });
  await check("so does the session's token", async () => {
    await bob.connect(bob.session.token);
    assert.equal(bob.chat.currentUserId, bob.id);
  });
  await check("the hub gives an address the SDK can tell from all others", () => {
    const full = alice.chat.helpers.userCurrentJid;
    const [bare, resource] = full.split("/");
    assert.equal(bare, `${alice.id}-${ready.app_id}@${ready.chat}`);
    assert.equal(bare, alice.chat.helpers.getUserJid(alice.id));
    assert.equal(alice.chat.helpers.getUserIdFromJID(full), alice.id);
    assert.match(resource, /^[A-Za-z0-9-]{16,}$/);
    assert.doesNotMatch(resource, /^\d+$/);
    assert.ok(!bob.chat.helpers.userCurrentJid.includes(resource));
  });
  await check("the SDK tells people from groups by their form", () => {
    const { helpers } = alice.chat;
    assert.equal(helpers.typeChat(bob.id), "chat");
    assert.equal(helpers.typeChat("0123456789abcdef01234567"), "groupchat");
    assert.equal(helpers.jidOrUserId(String(bob.id)), helpers.getUserJid(bob.id));
    assert.ok(helpers.isNumeric("47") && !helpers.isNumeric("4a"));
    assert.match(helpers.getBsonObjectId(), OBJECT_ID);
    assert.match(helpers.getUniqueId("x"), /:x$/);
  });
  await check("ping is answered", async () => {
    assert.equal(await alice.chat.ping(), undefined);
    assert.equal(await alice.chat.pingWithTimeout(3_000), undefined);
  });
  await check("connecting twice does nothing", async () => {
    assert.equal(await alice.chat.connect({ userId: alice.id, password: alice.user.password }), false);
  });
  await carol.connect();
}

async function privateMessages({ check }, dialog, alice, bob, carol) {
  await check("a message arrives with its text, dialog, date and own fields, nested ones too", async () => {
    const body = "hi <b> & \"you\"\n🚪 ]]>";
    const id = alice.say(bob.id, body, {
      dialog_id: dialog._id,
      date_sent: 1760000000,
      mood: "calm",
      attachments: [{ type: "photo", uid: "u1", size: "12" }],
      nested: { x: "1", y: "2" },
    });
    assert.match(id, OBJECT_ID);
    const message = await bob.hears(id);
    assert.equal(message.from, alice.id);
    assert.equal(message.body, body);
    assert.equal(message.type, "chat");
    assert.equal(message.dialog_id, dialog._id);
    assert.equal(message.recipient_id, bob.id);
    assert.equal(message.is_forwarded, false);
    assert.equal(message.delay, undefined);
    assert.equal(message.extension.mood, "calm");
    assert.equal(message.extension.date_sent, "1760000000");
    assert.deepEqual(message.extension.nested, { x: "1", y: "2" });
    assert.deepEqual(message.extension.attachments, [{ type: "photo", uid: "u1", size: 12 }]);
    const kept = await stored(bob, dialog, id);
    assert.equal(kept.message, body);
    assert.equal(kept.date_sent, 1760000000);
    assert.equal(kept.mood, "calm");
    assert.deepEqual(kept.nested, { x: "1", y: "2" });
    assert.equal(kept.attachments[0].uid, "u1");
    assert.equal(kept.sender_id, alice.id);
    assert.equal(kept.recipient_id, bob.id);
  });
  await check("the hub adds dialog and date", async () => {
    const id = alice.say(bob.id, "no dialog given");
    const message = await bob.hears(id);
    assert.equal(message.dialog_id, dialog._id);
    assert.match(message.extension.date_sent, /^\d{10}$/);
  });
  await check("the first message makes the dialog", async () => {
    const id = bob.say(carol.id, "we have not met");
    const message = await carol.hears(id);
    assert.match(message.dialog_id, OBJECT_ID);
    const { items } = await carol.chat.dialog.list({ _id: message.dialog_id });
    assert.equal(items[0].type, 3);
    assert.equal(items[0].last_message, "we have not met");
    assert.equal(items[0].last_message_id, id);
    assert.equal(items[0].last_message_user_id, bob.id);
  });
  await check("without save_to_history a message is delivered and not kept", async () => {
    const id = alice.chat.send(bob.id, { type: "chat", body: "off the record", extension: { dialog_id: dialog._id } });
    assert.equal((await bob.hears(id)).body, "off the record");
    assert.equal(await stored(bob, dialog, id), undefined);
  });
  await check("many messages arrive in their order", async () => {
    const sent = Array.from({ length: 50 }, (_, index) => alice.say(bob.id, `number ${index}`));
    for (const id of sent) await bob.hears(id);
    const { items } = await bob.chat.message.list({
      chat_dialog_id: dialog._id,
      message: { ctn: "number " },
      limit: 100,
      mark_as_read: 0,
    });
    assert.deepEqual(items.map((item) => item._id), sent);
  });
  await check("the hub acknowledges what it has taken", async () => {
    const id = alice.say(bob.id, "acknowledge me", { dialog_id: dialog._id });
    const { sent, lost } = await alice.sent.take((entry) => entry.sent?.id === id, "acknowledgement");
    assert.equal(sent.body, "acknowledge me");
    assert.equal(lost, null);
    await bob.hears(id);
  });
  await check("a message to nobody is refused with code and text", async () => {
    const id = alice.say(987654, "anybody there?");
    const refusal = await alice.refusals.take((entry) => entry.id === id, "refusal");
    assert.ok(refusal.code >= 400 && refusal.code < 600, `code ${refusal.code}`);
    assert.equal(typeof refusal.info, "string");
  });
}

async function devices(site, dialog, alice, bob) {
  const { check } = site;
  const tablet = site.device(alice.user);
  await tablet.login();
  await tablet.connect();
  await tablet.settled();
  await check("all devices of the receiver hear a message", async () => {
    const id = bob.say(alice.id, "to both of you");
    for (const device of [alice, tablet]) assert.equal((await device.hears(id)).from, bob.id);
  });
  await check("the sender's other device gets a copy, of system messages too", async () => {
    const id = alice.say(bob.id, "from my phone", { dialog_id: dialog._id });
    const copy = await tablet.hears(id);
    assert.equal(copy.from, alice.id);
    assert.equal(copy.is_forwarded, true);
    assert.equal(copy.dialog_id, dialog._id);
    assert.equal(copy.recipient_id, bob.id);
    await bob.hears(id);
    const signal = alice.chat.sendSystemMessage(bob.id, { body: "x", extension: { k: "v" } });
    const forwarded = await tablet.system.take((entry) => entry.id === signal, "copy of a system message");
    assert.equal(forwarded.userId, alice.id);
    assert.equal(forwarded.extension.k, "v");
    await bob.system.take((entry) => entry.id === signal, "system message");
  });
  await check("the sending device gets no copy", async () => {
    await alice.settled();
    assert.ok(!alice.messages.left.some((message) => message.is_forwarded));
  });
  await tablet.disconnect();
}

async function markers({ check }, dialog, alice, bob) {
  let id;
  await check("the receiver's SDK reports delivery by itself", async () => {
    id = alice.say(bob.id, "did it come?", { dialog_id: dialog._id });
    const marker = await alice.delivered.take((entry) => entry.id === id, "delivery marker");
    assert.deepEqual(marker, { id, dialog: dialog._id, from: bob.id });
    const { items } = await alice.chat.dialog.list({ _id: dialog._id });
    assert.equal(items[0].last_message_status, "delivered");
    // Whether it arrived is for its author to see.
    const received = await bob.chat.dialog.list({ _id: dialog._id });
    assert.equal(received.items[0].last_message, "did it come?");
    assert.equal(received.items[0].last_message_status, null);
  });
  await check("reading is reported, kept and counted", async () => {
    const count = async () => (await bob.chat.message.unreadCount({ chat_dialog_ids: [dialog._id] })).total;
    const before = await count();
    bob.chat.sendReadStatus({ messageId: id, dialogId: dialog._id, userId: alice.id });
    const marker = await alice.read.take((entry) => entry.id === id, "read marker");
    assert.deepEqual(marker, { id, dialog: dialog._id, from: bob.id });
    assert.equal(await count(), before - 1);
    const kept = await stored(alice, dialog, id);
    assert.ok(kept.delivered_ids.includes(bob.id) && kept.read_ids.includes(bob.id));
    const { items } = await alice.chat.dialog.list({ _id: dialog._id });
    assert.equal(items[0].last_message_status, "read");
  });
  await check("delivery can be reported by hand", async () => {
    const other = alice.chat.send(bob.id, { type: "chat", body: "again", extension: { save_to_history: 1 } });
    await bob.hears(other);
    await alice.delivered.take((entry) => entry.id === other, "automatic marker");
    bob.chat.sendDeliveredStatus({ messageId: other, dialogId: dialog._id, userId: alice.id });
    await alice.delivered.take((entry) => entry.id === other, "marker by hand");
  });
}

async function typing({ check }, alice, bob) {
  await check("typing and its end are relayed", async () => {
    alice.chat.sendIsTypingStatus(bob.id);
    const start = await bob.typing.take((entry) => entry.from === alice.id, "typing");
    assert.deepEqual(start, { on: true, from: alice.id, dialog: null });
    alice.chat.sendIsStopTypingStatus(bob.id);
    const stop = await bob.typing.take((entry) => entry.from === alice.id, "end of typing");
    assert.equal(stop.on, false);
  });
}

async function changes({ check }, dialog, alice, bob, carol) {
  await check("the author edits the last message", async () => {
    const id = alice.say(bob.id, "tpyo", { dialog_id: dialog._id });
    await bob.hears(id);
    const edit = { to: bob.id, dialogId: dialog._id, body: "typo", originMessageId: id, last: true };
    alice.chat.editMessage({ ...edit, extension: { mood: "sorry" } });
    const seen = await bob.edits.take((entry) => entry.id === id, "edit");
    assert.deepEqual([seen.body, seen.last, seen.dialog, seen.from], ["typo", true, dialog._id, alice.id]);
    assert.equal(seen.extension.mood, "sorry");
    assert.equal((await stored(bob, dialog, id)).message, "typo");
    const { items } = await bob.chat.dialog.list({ _id: dialog._id });
    assert.equal(items[0].last_message, "typo");
  });
  await check("an edit of an older message leaves the dialog's last one", async () => {
    const id = alice.say(bob.id, "older", { dialog_id: dialog._id });
    const newest = alice.say(bob.id, "newest", { dialog_id: dialog._id });
    await bob.hears(newest);
    alice.chat.editMessage({ to: bob.id, dialogId: dialog._id, body: "changed", originMessageId: id, last: false });
    const seen = await bob.edits.take((entry) => entry.id === id, "edit");
    assert.equal(seen.last, false);
    const { items } = await bob.chat.dialog.list({ _id: dialog._id });
    assert.equal(items[0].last_message, "newest");
  });
  await check("nobody edits or deletes the message of another", async () => {
    const id = alice.say(bob.id, "mine alone", { dialog_id: dialog._id });
    await bob.hears(id);
    bob.chat.editMessage({ to: alice.id, dialogId: dialog._id, body: "bob was here", originMessageId: id, last: true });
    bob.chat.deleteMessage({ to: alice.id, dialogId: dialog._id, messageId: id });
    await bob.settled();
    assert.equal((await stored(alice, dialog, id)).message, "mine alone");
  });
  await check("the author deletes a message for both", async () => {
    const id = alice.say(bob.id, "forget this", { dialog_id: dialog._id });
    await bob.hears(id);
    alice.chat.deleteMessage({ to: bob.id, dialogId: dialog._id, messageId: id });
    const seen = await bob.deletions.take((entry) => entry.id === id, "deletion");
    assert.deepEqual(seen, { id, dialog: dialog._id, from: alice.id });
    for (const member of [alice, bob]) assert.equal(await stored(member, dialog, id), undefined);
  });
}

async function signals({ check }, alice, bob) {
  await check("a system message keeps its fields and not the SDK's own", async () => {
    const id = alice.chat.sendSystemMessage(bob.id, {
      body: "door",
      extension: { cubelet: "unlock", session_id: "s-1", deep: { er: "x" } },
    });
    const message = await bob.system.take((entry) => entry.id === id, "system message");
    assert.equal(message.userId, alice.id);
    assert.equal(message.body, "door");
    assert.deepEqual(message.extension, { cubelet: "unlock", session_id: "s-1", deep: { er: "x" } });
  });
  await check("a call signal is relayed as it was sent", async () => {
    const id = alice.chat.sendWebRTCSignalingMessage(bob.id, {
      extension: {
        userInfo: { name: "gate" },
        sessionID: "b3f0a1de-0000-4000-8000-000000000001",
        callType: 1,
        callerID: alice.id,
        opponentsIDs: [bob.id],
        sdp: "v=0\r\ns=-\r\n",
        moduleIdentifier: "WebRTCVideoChat",
        signalType: "call",
        platform: "node",
      },
    });
    const stanza = await bob.stanzas.take((entry) => entry.attrs.id === id, "call signal");
    const params = stanza.getChild("extraParams");
    assert.equal(stanza.attrs.type, "headline");
    assert.ok(stanza.attrs.from.startsWith(alice.chat.helpers.getUserJid(alice.id)));
    assert.equal(params.getChildText("signalType"), "call");
    assert.equal(params.getChildText("sdp").replaceAll("\r\n", "\n"), "v=0\ns=-\n");
    assert.equal(params.getChild("userInfo").getChildText("name"), "gate");
    assert.deepEqual(
      params.getChild("opponentsIDs").getChildren("opponentID").map((child) => child.getText()),
      [String(bob.id)],
    );
  });
}

async function restSignals({ check }, alice, bob) {
  await check("a call is rejected by REST", async () => {
    const body = {
      sessionID: "b3f0a1de-0000-4000-8000-000000000001",
      recipientId: bob.id,
      platform: "web",
      userInfo: { reason: "busy" },
    };
    const answer = await alice.sdk.service.ajax({
      type: "POST",
      url: alice.sdk.utils.getUrl("calls", "reject"),
      data: body,
    });
    assert.deepEqual(answer, {});
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

async function activity({ check }, alice, carol) {
  await check("last activity of somebody online is 0", async () => {
    assert.deepEqual(await alice.chat.getLastUserActivity(carol.id), { userId: carol.id, seconds: 0 });
    alice.activity.clear();
  });
  await check("a subscriber learns that somebody left and came back", async () => {
    alice.chat.subscribeToUserLastActivityStatus(carol.id);
    await alice.settled();
    await carol.disconnect();
    const left = await alice.activity.take((entry) => entry.from === carol.id, "leaving");
    assert.ok(left.seconds > 0, `left ${left.seconds} s ago`);
    const last = await alice.chat.getLastUserActivity(carol.id);
    assert.ok(last.seconds >= 0 && last.seconds < 120);
    alice.activity.clear();
    await carol.connect();
    const back = await alice.activity.take((entry) => entry.from === carol.id, "coming back");
    assert.equal(back.seconds, 0);
  });
  await check("who unsubscribes hears no more", async () => {
    alice.chat.unsubscribeFromUserLastActivityStatus(carol.id);
    await alice.settled();
    alice.activity.clear();
    await carol.disconnect();
    await carol.connect();
    await carol.settled();
    await alice.settled();
    assert.deepEqual(alice.activity.left, []);
  });
  await check("an inactive client still hears messages", async () => {
    carol.chat.markInactive();
    await carol.settled();
    await carol.hears(alice.say(carol.id, "are you asleep?"));
    carol.chat.markActive();
    await carol.settled();
    await carol.hears(alice.say(carol.id, "awake again"));
  });
}

async function offline({ check }, alice, carol) {
  await check("what was written meanwhile arrives in order, marked as late, and is reported", async () => {
    await carol.disconnect();
    const first = alice.say(carol.id, "while you were out");
    const second = alice.say(carol.id, "and again");
    await alice.sent.take((entry) => entry.sent?.id === second, "acknowledgement");
    await carol.connect();
    const message = await carol.hears(first);
    assert.equal(message.body, "while you were out");
    assert.match(message.dialog_id, OBJECT_ID);
    await carol.hears(second);
    const marker = await alice.delivered.take((entry) => entry.id === first, "late delivery marker");
    assert.equal(marker.from, carol.id);
  });
  await check("it arrives once", async () => {
    await carol.settled();
    carol.messages.clear();
    await carol.disconnect();
    await carol.connect();
    await carol.settled();
    assert.deepEqual(carol.messages.left, []);
  });
}

async function listeners({ check }, alice, bob) {
  await check("a listener added by name hears until it is removed", async () => {
    const heard = [];
    const remove = bob.chat.addListener(ChatEvent.MESSAGE, (_from, message) => heard.push(message.body));
    alice.say(bob.id, "by name");
    await alice.settled();
    await bob.settled();
    bob.chat.removeListener(ChatEvent.MESSAGE);
    alice.say(bob.id, "not heard");
    await alice.settled();
    await bob.settled();
    assert.deepEqual(heard, ["by name"]);
    assert.equal(typeof remove, "function");
    bob.chat.removeAllListeners();
    assert.equal(bob.chat.onSystemMessageListener, undefined);
  });
}
