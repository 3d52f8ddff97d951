/** Group chat: wire reference B.2 and B.8; RT-15 to RT-25. */
import assert from "node:assert/strict";
import { refused, sameSet } from "../lib/site.mjs";

export const covers = [
  "chat.helpers.getDialogIdFromJID",
  "chat.helpers.getDialogJid",
  "chat.helpers.getIdFromResource",
  "chat.helpers.getRoomJid",
  "chat.helpers.getRoomJidFromDialogId",
  "chat.helpers.getRoomJidFromRoomFullJid",
  "chat.helpers.getUserIdFromRoomJid",
  "chat.muc.join",
  "chat.muc.leave",
  "chat.muc.listOnlineUsers",
  "chat.onJoinOccupant",
  "chat.onKickOccupant",
  "chat.onLeaveOccupant",
];

export async function run(site) {
  const { check } = site;
  const [alice, bob, carol, dave] = await site.connected("alice", "bobby", "carol", "davey");
  const group = await alice.chat.dialog.create({ type: 2, name: "House", occupants_ids: [bob.id, carol.id] });
  await addresses(check, group, alice);
  await messages(check, group, alice, bob, carol, dave);
  await presence(check, group, alice, bob, carol, dave);
  await changes(check, group, alice, bob, carol);
  await check("who was away gets the group's messages later", async () => {
    await carol.disconnect();
    const id = alice.say(group._id, "carol is out");
    await bob.hears(id);
    await carol.connect();
    const message = await carol.hears(id);
    assert.equal(message.type, "groupchat");
    assert.equal(message.dialog_id, group._id);
    assert.equal(message.from, alice.id);
  });
  await openDialogs(check, alice, bob, dave);
}

async function addresses(check, group, alice) {
  await check("the SDK reads a room's addresses", () => {
    const { helpers } = alice.chat;
    const room = helpers.getDialogJid(group._id);
    assert.equal(room, group.xmpp_room_jid);
    assert.equal(helpers.getRoomJidFromDialogId(group._id), room);
    assert.equal(helpers.getDialogIdFromJID(room), group._id);
    const own = helpers.getRoomJid(room);
    assert.equal(own, `${room}/${alice.id}`);
    assert.equal(helpers.getIdFromResource(own), alice.id);
    assert.equal(helpers.getUserIdFromRoomJid(own), alice.id);
    assert.equal(helpers.getRoomJidFromRoomFullJid(own), room);
  });
}

async function messages(check, group, alice, bob, carol, dave) {
  await check("a group message reaches all without joining, its author too", async () => {
    const id = bob.say(group._id, "who is at the gate?", { mood: "curious" });
    for (const member of [alice, carol, bob]) {
      const message = await member.hears(id);
      assert.equal(message.from, bob.id);
      assert.equal(message.type, "groupchat");
      assert.equal(message.dialog_id, group._id);
      assert.equal(message.body, "who is at the gate?");
      assert.equal(message.extension.mood, "curious");
      assert.match(message.extension.date_sent, /^\d{10}$/);
    }
    const { items } = await carol.chat.message.list({ chat_dialog_id: group._id, _id: id, mark_as_read: 0 });
    assert.equal(items[0].sender_id, bob.id);
  });
  await check("each receiver reports delivery to the author", async () => {
    const id = alice.say(group._id, "the postman");
    const markers = [];
    while (markers.length < 2) {
      markers.push(await alice.delivered.take((entry) => entry.id === id, "delivery marker"));
    }
    sameSet(markers.map((marker) => marker.from), [bob.id, carol.id]);
    assert.ok(markers.every((marker) => marker.dialog === group._id));
    const { items } = await alice.chat.message.list({ chat_dialog_id: group._id, _id: id, mark_as_read: 0 });
    assert.ok([bob.id, carol.id].every((member) => items[0].delivered_ids.includes(member)));
  });
  await check("typing carries the group and its writer, and skips the writer", async () => {
    carol.chat.sendIsTypingStatus(group._id);
    for (const member of [alice, bob]) {
      const entry = await member.typing.take((seen) => seen.from === carol.id, "group typing");
      assert.deepEqual(entry, { on: true, from: carol.id, dialog: group._id });
    }
    carol.chat.sendIsStopTypingStatus(group._id);
    assert.equal((await alice.typing.take(() => true, "end of typing")).on, false);
    await carol.settled();
    assert.deepEqual(carol.typing.left, []);
  });
  await check("a stranger's message to the group is refused", async () => {
    const id = dave.say(group._id, "let me in");
    const refusal = await dave.refusals.take((entry) => entry.id === id, "refusal");
    assert.ok(refusal.code >= 400, `code ${refusal.code}`);
    await alice.settled();
    assert.ok(!alice.messages.left.some((message) => message.id === id));
  });
}

async function presence(check, group, alice, bob, carol, dave) {
  await check("joining settles, and those inside are told", async () => {
    await alice.chat.muc.join(group._id);
    await bob.chat.muc.join(group._id);
    const seen = await alice.joins.take((entry) => entry.who === bob.id, "bob's joining");
    assert.equal(seen.dialog, group._id);
    // Who is inside already is told to who joins.
    const already = await bob.joins.take((entry) => entry.who === alice.id, "alice's presence");
    assert.equal(already.dialog, group._id);
  });
  await check("joining again settles again", () => bob.chat.muc.join(group._id));
  await check("those online in the room are listed", async () => {
    sameSet(await alice.chat.muc.listOnlineUsers(group._id), [alice.id, bob.id]);
  });
  await check("leaving settles, and those inside are told", async () => {
    await bob.chat.muc.leave(group._id);
    const seen = await alice.leaves.take((entry) => entry.who === bob.id, "bob's leaving");
    assert.equal(seen.dialog, group._id);
    assert.deepEqual(await alice.chat.muc.listOnlineUsers(group._id), [alice.id]);
  });
  await check("going offline leaves the room", async () => {
    await bob.chat.muc.join(group._id);
    await alice.joins.take((entry) => entry.who === bob.id, "bob's joining");
    await bob.disconnect();
    await alice.leaves.take((entry) => entry.who === bob.id, "bob's going");
    await bob.connect();
  });
  await check("a stranger cannot join", async () => {
    const error = await refused(dave.chat.muc.join(group._id));
    assert.deepEqual(error, { code: "403", message: "Forbidden" });
  });
  await check("who is removed by an admin is told by whom", async () => {
    await carol.chat.muc.join(group._id);
    await alice.chat.dialog.update(group._id, { pull_all: { occupants_ids: [carol.id] } });
    const kick = await carol.kicks.take(() => true, "kick");
    assert.deepEqual(kick, { dialog: group._id, by: alice.id });
    const id = alice.say(group._id, "carol is out of it");
    await bob.hears(id);
    await carol.settled();
    assert.ok(!carol.messages.left.some((message) => message.id === id));
    await alice.chat.dialog.update(group._id, { push_all: { occupants_ids: [carol.id] } });
  });
}

async function changes(check, group, alice, bob, carol) {
  const say = async (member, text) => {
    const id = member.say(group._id, text);
    await Promise.all([alice, bob, carol].map((other) => other.hears(id)));
    return id;
  };
  await check("an edit reaches the group", async () => {
    const id = await say(bob, "tpyo");
    const to = group._id;
    bob.chat.editMessage({ to, dialogId: group._id, body: "typo", originMessageId: id, last: true });
    const seen = await carol.edits.take((entry) => entry.id === id, "edit");
    assert.deepEqual([seen.body, seen.last, seen.dialog, seen.from], ["typo", true, group._id, bob.id]);
  });
  await check("a deletion by the author, or by the owner, reaches the group", async () => {
    const to = group._id;
    const own = await say(bob, "my mistake");
    bob.chat.deleteMessage({ to, dialogId: group._id, messageId: own });
    const seen = await carol.deletions.take((entry) => entry.id === own, "deletion");
    assert.deepEqual(seen, { id: own, dialog: group._id, from: bob.id });
    const rude = await say(carol, "something rude");
    alice.chat.deleteMessage({ to, dialogId: group._id, messageId: rude });
    await bob.deletions.take((entry) => entry.id === rude, "deletion by the owner");
    const { items } = await bob.chat.message.list({ chat_dialog_id: group._id, mark_as_read: 0 });
    assert.ok(!items.some((message) => [own, rude].includes(message._id)));
  });
}

async function openDialogs(check, alice, bob, dave) {
  await check("a public dialog's messages reach its subscribers", async () => {
    const board = await alice.chat.dialog.create({ type: 4, name: "Board" });
    await bob.chat.dialog.subscribe(board._id);
    const id = bob.say(board._id, "lift out of order");
    const message = await alice.hears(id);
    assert.equal(message.dialog_id, board._id);
    assert.equal(message.from, bob.id);
    await dave.settled();
    assert.ok(!dave.messages.left.some((other) => other.id === id));
  });
}
