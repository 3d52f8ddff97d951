/** Dialogs over REST: wire reference E.3; CH-01 to CH-29, roles of CH-03. */
import assert from "node:assert/strict";
import { isRecent, OBJECT_ID, refused, refusedWith, sameSet } from "../lib/site.mjs";

export const settings = `[chat]
dialog_extensions = ["room", "floor"]
broadcast_by_users = true
`;

export const covers = [
  "chat.dialog.addAdmins",
  "chat.dialog.clearHistory",
  "chat.dialog.create",
  "chat.dialog.delete",
  "chat.dialog.getNotificationsSettings",
  "chat.dialog.getPublicOccupants",
  "chat.dialog.list",
  "chat.dialog.removeAdmins",
  "chat.dialog.subscribe",
  "chat.dialog.subscribeToPublic",
  "chat.dialog.unsubscribe",
  "chat.dialog.unsubscribeFromPublic",
  "chat.dialog.update",
  "chat.dialog.updateNotificationsSettings",
];

const FIELDS = [
  "_id",
  "name",
  "description",
  "photo",
  "type",
  "user_id",
  "created_at",
  "updated_at",
  "xmpp_room_jid",
  "admins_ids",
  "occupants_ids",
  "last_message",
  "last_message_date_sent",
  "last_message_id",
  "last_message_user_id",
  "last_message_status",
  "unread_messages_count",
  "pinned_messages_ids",
  "extensions",
  "permissions",
];

const [BROADCAST, GROUP, PRIVATE, PUBLIC] = [1, 2, 3, 4];

export async function run(site) {
  const [alice, bob, carol, dave] = await site.people("alice", "bobby", "carol", "davey");
  await privates(site, alice, bob);
  const group = await groups(site, alice, bob, carol, dave);
  await roles(site, group, alice, bob, carol, dave);
  await lists(site, group, alice);
  await extensions(site, alice, bob, dave);
  await publics(site, alice, bob, carol);
  await broadcasts(site, alice, bob);
  await notifications(site, group, alice, bob);
  await deletion(site, alice, bob, carol);
}

const ids = (answer) => answer.items.map((dialog) => dialog._id);

async function mine(member, filter) {
  return (await member.chat.dialog.list(filter)).items;
}

async function privates({ check }, alice, bob) {
  let dialog;
  await check("a private dialog has every field, and the other's name for each", async () => {
    dialog = await alice.chat.dialog.create({ type: PRIVATE, occupants_ids: [bob.id], name: "ignored" });
    for (const field of FIELDS) assert.ok(field in dialog, field);
    assert.match(dialog._id, OBJECT_ID);
    assert.equal(dialog.type, PRIVATE);
    assert.equal(dialog.user_id, alice.id);
    assert.equal(dialog.name, "Bobby of the House");
    assert.equal(dialog.xmpp_room_jid, null);
    assert.equal(dialog.unread_messages_count, 0);
    sameSet(dialog.occupants_ids, [alice.id, bob.id]);
    isRecent(dialog.created_at);
    const [seen] = await mine(bob, { _id: dialog._id });
    assert.equal(seen.name, "Alice of the House");
  });
  await check("there is one private dialog between two, whoever asks", async () => {
    const again = await bob.chat.dialog.create({ type: PRIVATE, occupants_ids: `${alice.id}` });
    assert.equal(again._id, dialog._id);
    assert.equal(again.name, "Alice of the House");
  });
  await check("a private dialog needs exactly one existing other", async () => {
    const { create } = alice.chat.dialog;
    await refusedWith(422, create({ type: PRIVATE }));
    await refusedWith(422, create({ type: PRIVATE, occupants_ids: [bob.id, alice.id + 2] }));
    const error = await refused(create({ type: PRIVATE, occupants_ids: [987654] }));
    assert.ok([404, 422].includes(error.code), `code ${error.code}`);
  });
}

async function groups({ check, ready }, alice, bob, carol, dave) {
  let group;
  await check("a group has name, photo, description, owner, admins and a room", async () => {
    group = await alice.chat.dialog.create({
      type: GROUP,
      name: "House",
      photo: "photo-uid",
      description: "Everybody & <all>",
      occupants_ids: [bob.id, carol.id],
      admins_ids: [bob.id],
    });
    assert.equal(group.type, GROUP);
    assert.equal(group.name, "House");
    assert.equal(group.photo, "photo-uid");
    assert.equal(group.description, "Everybody & <all>");
    assert.equal(group.user_id, alice.id);
    assert.deepEqual(group.admins_ids, [bob.id]);
    sameSet(group.occupants_ids, [alice.id, bob.id, carol.id]);
    assert.equal(group.xmpp_room_jid, `${ready.app_id}_${group._id}@muc.${ready.chat}`);
  });
  await check("the SDK reads the group's number out of its room and back", () => {
    const { helpers } = alice.chat;
    assert.equal(helpers.getRoomJidFromDialogId(group._id), group.xmpp_room_jid);
    assert.equal(helpers.getDialogIdFromJID(group.xmpp_room_jid), group._id);
  });
  await check("a dialog needs a type that exists and, but for private ones, a name", async () => {
    await refusedWith(422, alice.chat.dialog.create({ type: 47, name: "x", occupants_ids: [bob.id] }));
    await refusedWith(422, alice.chat.dialog.create({ name: "x", occupants_ids: [bob.id] }));
    await refusedWith(422, alice.chat.dialog.create({ type: GROUP, occupants_ids: [bob.id] }));
  });
  await check("lists may be comma-separated text or arrays", async () => {
    const text = await post(alice, "chat/Dialog", { type: GROUP, name: "Text", occupants_ids: `${bob.id},${dave.id}` });
    const array = await post(alice, "chat/Dialog", { type: GROUP, name: "Array", occupants_ids: [bob.id, dave.id] });
    for (const dialog of [text, array]) sameSet(dialog.occupants_ids, [alice.id, bob.id, dave.id]);
    await alice.chat.dialog.delete([text._id, array._id], { force: 1 });
  });
  return group;
}

async function roles({ check }, group, alice, bob, carol, dave) {
  const update = (member, change) => member.chat.dialog.update(group._id, change);
  await check("any member renames a group and adds people", async () => {
    const renamed = await update(carol, { name: "The house", push_all: { occupants_ids: [dave.id] } });
    assert.equal(renamed.name, "The house");
    sameSet(renamed.occupants_ids, [alice.id, bob.id, carol.id, dave.id]);
    assert.equal((await mine(dave, { _id: group._id })).length, 1);
  });
  await check("a member cannot remove others, an admin can", async () => {
    await refusedWith(403, update(carol, { pull_all: { occupants_ids: [dave.id] } }));
    const { occupants_ids } = await update(bob, { pull_all: { occupants_ids: [dave.id] } });
    sameSet(occupants_ids, [alice.id, bob.id, carol.id]);
    assert.deepEqual(await mine(dave, { _id: group._id }), []);
  });
  await check("who is not in a group cannot see or change it", async () => {
    const error = await refused(update(dave, { name: "Mine" }));
    assert.ok([403, 404].includes(error.code), `code ${error.code}`);
  });
  await check("only the owner makes and unmakes admins", async () => {
    await refusedWith(403, bob.chat.dialog.addAdmins(group._id, [carol.id]));
    const more = await alice.chat.dialog.addAdmins(group._id, [carol.id]);
    sameSet(more.admins_ids, [bob.id, carol.id]);
    const fewer = await alice.chat.dialog.removeAdmins(group._id, [carol.id]);
    assert.deepEqual(fewer.admins_ids, [bob.id]);
  });
  await check("admins pin and unpin messages, members do not", async () => {
    const message = await alice.chat.message.create({ chat_dialog_id: group._id, message: "the rules" });
    await refusedWith(403, update(carol, { push_all: { pinned_messages_ids: [message._id] } }));
    const pinned = await update(bob, { push_all: { pinned_messages_ids: [message._id] } });
    assert.deepEqual(pinned.pinned_messages_ids, [message._id]);
    const unpinned = await update(bob, { pull_all: { pinned_messages_ids: [message._id] } });
    assert.deepEqual(unpinned.pinned_messages_ids, []);
  });
  await check("who removes themselves has left", async () => {
    const answer = await update(carol, { pull_all: { occupants_ids: [carol.id] } });
    assert.ok(!answer.occupants_ids.includes(carol.id));
    assert.deepEqual(await mine(carol, { _id: group._id }), []);
    await update(alice, { push_all: { occupants_ids: [carol.id] } });
  });
  await check("an unknown dialog is 404", async () => {
    await refusedWith(404, alice.chat.dialog.update("0123456789abcdef01234567", { name: "x" }));
  });
}

async function lists({ check }, group, alice) {
  await check("a list has its page and total", async () => {
    const all = await alice.chat.dialog.list();
    assert.equal(all.total_entries, all.items.length);
    assert.equal(all.limit, 100);
    assert.equal(all.skip, 0);
    const page = await alice.chat.dialog.list({ limit: 1, skip: 1 });
    assert.equal(page.items.length, 1);
    assert.equal(page.limit, 1);
    assert.equal(page.skip, 1);
    assert.equal(page.total_entries, all.total_entries);
  });
  await check("filters find by type, name, occupants, number and age", async () => {
    const { list } = alice.chat.dialog;
    for (const filter of [
      { type: GROUP },
      { type: { in: [GROUP, PUBLIC] } },
      { type: { ne: PRIVATE } },
      { type: { nin: [PRIVATE] } },
      { name: "The house" },
      { name: { ctn: "hous" } },
      { _id: group._id },
      { _id: { in: [group._id] } },
      { occupants_ids: { all: group.occupants_ids } },
      { type: GROUP, updated_at: { gt: "2020-01-01T00:00:00Z" } },
      { type: GROUP, created_at: { gte: 1_577_836_800 } },
    ]) {
      assert.deepEqual(ids(await list(filter)), [group._id], JSON.stringify(filter));
    }
    for (const filter of [
      { updated_at: { gt: "2090-01-01T00:00:00Z" } },
      { created_at: { lt: "2020-01-01T00:00:00Z" } },
      { name: { ctn: "no such thing" } },
    ]) {
      assert.deepEqual(ids(await list(filter)), [], JSON.stringify(filter));
    }
  });
  await check("dialogs are sorted by their last message both ways", async () => {
    const { list } = alice.chat.dialog;
    const down = ids(await list({ sort_desc: "last_message_date_sent" }));
    const up = ids(await list({ sort_asc: "last_message_date_sent" }));
    assert.equal(down[0], group._id);
    assert.equal(up.at(-1), group._id);
    assert.deepEqual(ids(await list({ sort_desc: "date_sent" })), down);
  });
  await check("count=1 answers the number alone", async () => {
    const { items } = await alice.chat.dialog.list();
    const answer = await alice.chat.dialog.list({ count: 1 });
    assert.equal(answer.items.count, items.length);
  });
}

async function extensions({ check }, alice, bob, dave) {
  let dialog;
  await check("allowed extensions are kept as text, others ignored, null resets", async () => {
    dialog = await alice.chat.dialog.create({
      type: GROUP,
      name: "Third floor",
      occupants_ids: [bob.id],
      extensions: { floor: 3, room: "lobby", shoe_size: 47 },
    });
    assert.deepEqual(dialog.extensions, { floor: "3", room: "lobby" });
    const found = await alice.chat.dialog.list({ "extensions[floor]": 3 });
    assert.deepEqual(ids(found), [dialog._id]);
    const reset = await alice.chat.dialog.update(dialog._id, { extensions: null });
    assert.ok(!reset.extensions || Object.keys(reset.extensions).length === 0);
  });
  await check("allow_preview lets others read the last messages with preview=1", async () => {
    await alice.chat.message.create({ chat_dialog_id: dialog._id, message: "come in" });
    await refused(dave.chat.message.list({ chat_dialog_id: dialog._id, preview: 1 }));
    const { permissions } = await alice.chat.dialog.update(dialog._id, { permissions: { allow_preview: true } });
    assert.ok(permissions.allow_preview);
    const { items } = await dave.chat.message.list({ chat_dialog_id: dialog._id, preview: 1 });
    assert.deepEqual(items.map((message) => message.message), ["come in"]);
  });
}

async function publics({ check }, alice, bob, carol) {
  let board;
  await check("a public dialog is open to all who subscribe", async () => {
    board = await alice.chat.dialog.create({ type: PUBLIC, name: "Board" });
    assert.equal(board.type, PUBLIC);
    assert.deepEqual(await mine(bob, { _id: board._id }), []);
    const subscribed = await bob.chat.dialog.subscribe(board._id);
    assert.equal(subscribed._id, board._id);
    await carol.chat.dialog.subscribeToPublic(board._id);
    const [seen] = await mine(bob, { _id: board._id });
    assert.equal(seen.occupants_count, 3);
  });
  await check("its occupants are listed page by page", async () => {
    const { items } = await bob.chat.dialog.getPublicOccupants(board._id, { limit: 100 });
    sameSet(items.map((user) => user.id), [alice.id, bob.id, carol.id]);
    assert.ok(items.every((user) => user.password === undefined && typeof user.full_name === "string"));
    const page = await bob.chat.dialog.getPublicOccupants(board._id, { limit: 1, skip: 1 });
    assert.equal(page.items.length, 1);
  });
  await check("a subscriber cannot rename it", async () => {
    await refusedWith(403, bob.chat.dialog.update(board._id, { name: "Bob's" }));
  });
  await check("who unsubscribes no longer has it", async () => {
    await bob.chat.dialog.unsubscribe(board._id);
    await carol.chat.dialog.unsubscribeFromPublic(board._id);
    assert.deepEqual(await mine(bob, { _id: board._id }), []);
    const { items } = await alice.chat.dialog.getPublicOccupants(board._id);
    assert.deepEqual(items.map((user) => user.id), [alice.id]);
  });
  await check("a group is not open to strangers", async () => {
    const group = await alice.chat.dialog.create({ type: GROUP, name: "Closed", occupants_ids: [carol.id] });
    const error = await refused(bob.chat.dialog.subscribe(group._id));
    assert.ok([403, 404, 422].includes(error.code), `code ${error.code}`);
  });
}

async function broadcasts({ check }, alice, bob) {
  await check("a broadcast is everybody's, and only its admins write", async () => {
    const news = await alice.chat.dialog.create({ type: BROADCAST, name: "News" });
    assert.equal(news.type, BROADCAST);
    assert.deepEqual((await mine(bob, { type: BROADCAST })).map((dialog) => dialog._id), [news._id]);
    await refusedWith(403, bob.chat.message.create({ chat_dialog_id: news._id, message: "me too" }));
    await alice.chat.message.create({ chat_dialog_id: news._id, message: "water off at ten" });
    const { items } = await bob.chat.message.list({ chat_dialog_id: news._id });
    assert.deepEqual(items.map((message) => message.message), ["water off at ten"]);
  });
}

async function notifications({ check }, group, alice, bob) {
  await check("notifications are on, and each member's own", async () => {
    const { getNotificationsSettings, updateNotificationsSettings } = alice.chat.dialog;
    assert.deepEqual(await getNotificationsSettings(group._id), { notifications: { enabled: 1 } });
    const off = await updateNotificationsSettings(group._id, false);
    assert.deepEqual(off, { notifications: { enabled: 0 } });
    assert.deepEqual(await getNotificationsSettings(group._id), { notifications: { enabled: 0 } });
    assert.deepEqual(await bob.chat.dialog.getNotificationsSettings(group._id), { notifications: { enabled: 1 } });
  });
}

async function deletion({ check }, alice, bob, carol) {
  const group = (name) => alice.chat.dialog.create({ type: GROUP, name, occupants_ids: [bob.id, carol.id] });
  await check("history is cleared for oneself and kept for the others", async () => {
    const { _id } = await group("Cleared");
    await alice.chat.message.create({ chat_dialog_id: _id, message: "forget me" });
    await bob.chat.dialog.clearHistory(_id);
    assert.deepEqual((await bob.chat.message.list({ chat_dialog_id: _id })).items, []);
    const { items } = await alice.chat.message.list({ chat_dialog_id: _id });
    assert.deepEqual(items.map((message) => message.message), ["forget me"]);
    const [seen] = await mine(bob, { _id });
    assert.ok(!seen.last_message, `last message ${seen.last_message}`);
  });
  await check("a dialog deleted by a member stays for the others", async () => {
    const { _id } = await group("Left");
    await bob.chat.dialog.delete(_id);
    assert.deepEqual(await mine(bob, { _id }), []);
    assert.equal((await mine(carol, { _id })).length, 1);
  });
  await check("only the owner deletes a dialog for all", async () => {
    const { _id } = await group("Gone");
    await refusedWith(403, carol.chat.dialog.delete(_id, { force: 1 }));
    await alice.chat.dialog.delete(_id, { force: 1 });
    for (const member of [alice, bob, carol]) assert.deepEqual(await mine(member, { _id }), []);
    await refusedWith(404, alice.chat.dialog.delete(_id, { force: 1 }));
  });
  await check("several are deleted at once, each with its outcome", async () => {
    const [one, two] = [await group("One"), await group("Two")];
    const other = await carol.chat.dialog.create({ type: GROUP, name: "Carol's", occupants_ids: [alice.id] });
    const unknown = "0123456789abcdef01234567";
    const answer = await alice.chat.dialog.delete([one._id, two._id, other._id, unknown], { force: 1 });
    sameSet(answer.SuccessfullyDeleted.ids, [one._id, two._id]);
    assert.deepEqual(answer.WrongPermissions.ids, [other._id]);
    assert.deepEqual(answer.NotFound.ids, [unknown]);
  });
}

async function post(member, path, body) {
  const response = await fetch(`${member.api}/${path}`, {
    method: "POST",
    headers: { "CB-Token": member.session.token, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.equal(response.status, 201, path);
  return await response.json();
}
