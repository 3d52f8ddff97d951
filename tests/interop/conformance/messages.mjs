/** Messages, counts, reactions and search over REST: wire reference E.3; CH-30 to CH-45. */
import assert from "node:assert/strict";
import { isRecent, OBJECT_ID, refused, refusedWith, sameSet } from "../lib/site.mjs";

export const covers = [
  "chat.message.addReaction",
  "chat.message.create",
  "chat.message.createSystem",
  "chat.message.delete",
  "chat.message.list",
  "chat.message.listReactions",
  "chat.message.removeReaction",
  "chat.message.unreadCount",
  "chat.message.update",
  "chat.message.updateReaction",
  "chat.onMessageReactionsListener",
  "chat.search",
];

export async function run(site) {
  const [alice, bob, carol] = await site.connected("alice", "bobby", "carol");
  const dialog = await alice.chat.dialog.create({ type: 3, occupants_ids: [bob.id] });
  const group = await alice.chat.dialog.create({ type: 2, name: "House", occupants_ids: [bob.id, carol.id] });
  await creating(site, dialog, group, alice, bob, carol);
  await listing(site, dialog, alice, bob, carol);
  await counting(site, dialog, group, alice, bob);
  await changing(site, group, alice, bob, carol);
  await deleting(site, group, alice, bob, carol);
  await reactions(site, dialog, group, alice, bob, carol);
  await systemMessages(site, alice, bob);
  await searching(site, group, alice, bob, carol);
}

const texts = (answer) => answer.items.map((message) => message.message);

async function creating({ check }, dialog, group, alice, bob, carol) {
  await check("a message made by REST has every field, attachments and custom parameters", async () => {
    const message = await alice.chat.message.create({
      chat_dialog_id: dialog._id,
      message: "look <here> & there",
      attachments: [{ type: "photo", uid: "uid-1", url: "https://x.example/1", size: 12 }],
      mood: "calm",
      depth: { of: { tree: "2" } },
    });
    assert.match(message._id, OBJECT_ID);
    assert.equal(message.chat_dialog_id, dialog._id);
    assert.equal(message.message, "look <here> & there");
    assert.equal(message.sender_id, alice.id);
    assert.equal(message.recipient_id, bob.id);
    assert.ok(Math.abs(message.date_sent - Date.now() / 1000) < 120);
    isRecent(message.created_at);
    isRecent(message.updated_at);
    assert.ok(message.read_ids.includes(alice.id));
    assert.ok(!message.read_ids.includes(bob.id));
    assert.ok(!message.delivered_ids.includes(bob.id));
    assert.equal(message.mood, "calm");
    assert.equal(message.depth.of.tree, "2");
    assert.equal(message.attachments.length, 1);
    const [photo] = message.attachments;
    assert.deepEqual([photo.type, photo.uid, photo.url], ["photo", "uid-1", "https://x.example/1"]);
  });
  await check("it is history only, unless send_to_chat asks for more", async () => {
    await alice.chat.message.create({ chat_dialog_id: dialog._id, message: "quiet" });
    const loud = await alice.chat.message.create({
      chat_dialog_id: dialog._id,
      message: "loud",
      send_to_chat: 1,
      mood: "urgent",
    });
    const heard = await bob.hears(loud._id);
    assert.equal(heard.body, "loud");
    assert.equal(heard.from, alice.id);
    assert.equal(heard.dialog_id, dialog._id);
    assert.equal(heard.extension.mood, "urgent");
    assert.ok(!bob.messages.left.some((message) => message.body === "quiet"));
  });
  await check("send_to_chat reaches a whole group", async () => {
    const { _id } = await alice.chat.message.create({ chat_dialog_id: group._id, message: "all", send_to_chat: 1 });
    for (const member of [bob, carol]) {
      const heard = await member.hears(_id);
      assert.equal(heard.type, "groupchat");
      assert.equal(heard.dialog_id, group._id);
      assert.equal(heard.from, alice.id);
    }
  });
  await check("a message to a person makes the private dialog", async () => {
    const message = await carol.chat.message.create({ recipient_id: bob.id, message: "first words" });
    const { items } = await bob.chat.dialog.list({ _id: message.chat_dialog_id });
    assert.equal(items[0].type, 3);
    assert.equal(items[0].name, "Carol of the House");
    assert.equal(items[0].last_message, "first words");
  });
  await check("attachments may be an object with numbers for names", async () => {
    const attachments = { 0: { type: "image", id: "17" }, 1: { type: "audio", id: "18" } };
    const message = await alice.chat.message.create({ chat_dialog_id: dialog._id, message: "two", attachments });
    assert.deepEqual(message.attachments.map((item) => item.type), ["image", "audio"]);
  });
  await check("a message needs a place and something in it", async () => {
    await refusedWith(422, alice.chat.message.create({ message: "to nobody" }));
    await refusedWith(422, alice.chat.message.create({ chat_dialog_id: dialog._id }));
    const error = await refused(carol.chat.message.create({ chat_dialog_id: dialog._id, message: "not mine" }));
    assert.ok([403, 404].includes(error.code), `code ${error.code}`);
  });
}

async function listing({ check }, dialog, alice, bob, carol) {
  const list = (filter) => bob.chat.message.list({ chat_dialog_id: dialog._id, mark_as_read: 0, ...filter });
  await check("history comes in order, in pages, and from either end", async () => {
    const all = await list();
    assert.deepEqual(texts(all), ["look <here> & there", "quiet", "loud", "two"]);
    assert.equal(all.skip, 0);
    assert.equal(all.limit, 100);
    assert.deepEqual(texts(await list({ sort_desc: "date_sent" })), [...texts(all)].reverse());
    const page = await list({ sort_asc: "date_sent", skip: 1, limit: 2 });
    assert.deepEqual(texts(page), ["quiet", "loud"]);
    assert.equal(page.limit, 2);
  });
  await check("filters find by text, sender, date, number and attachment", async () => {
    const [first] = (await list()).items;
    for (const filter of [
      { _id: first._id },
      { _id: { in: [first._id] } },
      { message: { ctn: "<here>" } },
      { "attachments.type": "photo" },
      { sender_id: alice.id, message: "look <here> & there" },
      { _id: first._id, date_sent: { gte: first.date_sent } },
    ]) {
      assert.deepEqual(texts(await list(filter)), [first.message], JSON.stringify(filter));
    }
    assert.deepEqual(texts(await list({ sender_id: bob.id })), []);
    assert.deepEqual(texts(await list({ sender_id: { ne: alice.id } })), []);
    assert.deepEqual(texts(await list({ date_sent: { gt: 4_000_000_000 } })), []);
    assert.deepEqual(texts(await list({ updated_at: { lt: "2020-01-01T00:00:00Z" } })), []);
  });
  await check("an unknown dialog has no messages, a strange one is refused", async () => {
    const { items } = await bob.chat.message.list({ chat_dialog_id: "external_id:1002" });
    assert.deepEqual(items, []);
    const error = await refused(carol.chat.message.list({ chat_dialog_id: dialog._id }));
    assert.ok([403, 404].includes(error.code), `code ${error.code}`);
  });
}

async function counting({ check }, dialog, group, alice, bob) {
  await check("unread messages are counted in all and per dialog", async () => {
    const counts = await bob.chat.message.unreadCount({ chat_dialog_ids: [dialog._id, group._id] });
    assert.equal(counts[dialog._id], 4);
    assert.equal(counts[group._id], 1);
    assert.equal(counts.total, 5);
    const all = await bob.chat.message.unreadCount();
    assert.equal(all.total, 6);
    const { items } = await bob.chat.dialog.list({ _id: dialog._id });
    assert.equal(items[0].unread_messages_count, 4);
    const own = await alice.chat.message.unreadCount({ chat_dialog_ids: [dialog._id] });
    assert.equal(own.total, 0);
  });
  await check("mark_as_read=0 leaves messages unread, reading marks them", async () => {
    const unread = async () => (await bob.chat.message.unreadCount({ chat_dialog_ids: [dialog._id] })).total;
    await bob.chat.message.list({ chat_dialog_id: dialog._id, mark_as_read: 0 });
    assert.equal(await unread(), 4);
    await bob.chat.message.list({ chat_dialog_id: dialog._id });
    assert.equal(await unread(), 0);
    const { items } = await alice.chat.message.list({ chat_dialog_id: dialog._id });
    assert.ok(items.every((message) => message.read_ids.includes(bob.id) && message.read === 1));
  });
}

async function changing({ check }, group, alice, bob, carol) {
  const stored = async (id) => {
    const { items } = await alice.chat.message.list({ chat_dialog_id: group._id, _id: id, mark_as_read: 0 });
    return items[0];
  };
  await check("messages are marked delivered and read by REST", async () => {
    const { _id } = await alice.chat.message.create({ chat_dialog_id: group._id, message: "mark me" });
    await bob.chat.message.update(_id, { chat_dialog_id: group._id, delivered: 1 });
    const delivered = await stored(_id);
    assert.ok(delivered.delivered_ids.includes(bob.id));
    assert.ok(!delivered.read_ids.includes(bob.id));
    await bob.chat.message.update(_id, { chat_dialog_id: group._id, read: 1 });
    const read = await stored(_id);
    assert.ok(read.read_ids.includes(bob.id) && read.delivered_ids.includes(bob.id));
    assert.ok(!read.read_ids.includes(carol.id));
  });
  await check("without a number the whole dialog is marked", async () => {
    await carol.chat.message.update("", { chat_dialog_id: group._id, read: 1 });
    const counts = await carol.chat.message.unreadCount({ chat_dialog_ids: [group._id] });
    assert.equal(counts.total, 0);
  });
  await check("the author changes the text and the others are told", async () => {
    const { _id } = await alice.chat.message.create({ chat_dialog_id: group._id, message: "tpyo" });
    await refusedWith(403, bob.chat.message.update(_id, { chat_dialog_id: group._id, message: "mine" }));
    await alice.chat.message.update(_id, { chat_dialog_id: group._id, message: "typo" });
    assert.equal((await stored(_id)).message, "typo");
    const edit = await bob.edits.take((entry) => entry.id === _id, "edit");
    assert.equal(edit.body, "typo");
    assert.equal(edit.dialog, group._id);
  });
}

async function deleting({ check }, group, alice, bob, carol) {
  const create = async (text) =>
    (await alice.chat.message.create({ chat_dialog_id: group._id, message: text }))._id;
  const sees = async (member, id) => {
    const { items } = await member.chat.message.list({ chat_dialog_id: group._id, _id: id, mark_as_read: 0 });
    return items.length === 1;
  };
  await check("a message is deleted for oneself", async () => {
    const id = await create("not for bob");
    const outcome = JSON.parse(await bob.chat.message.delete(id));
    assert.deepEqual(outcome.SuccessfullyDeleted.ids, [id]);
    assert.equal(await sees(bob, id), false);
    assert.equal(await sees(carol, id), true);
  });
  await check("force=1 deletes it for all, who are told", async () => {
    const id = await create("for nobody");
    await alice.chat.message.delete(id, { force: 1 });
    for (const member of [bob, carol]) {
      const deletion = await member.deletions.take((entry) => entry.id === id, "deletion");
      assert.equal(deletion.dialog, group._id);
      assert.equal(await sees(member, id), false);
    }
  });
  await check("several at once, each with its outcome", async () => {
    const mine = await create("mine");
    const bobs = await bob.chat.message.create({ chat_dialog_id: group._id, message: "bob's" });
    const unknown = "0123456789abcdef01234567";
    const outcome = JSON.parse(await carol.chat.message.delete([mine, bobs._id, unknown], { force: 1 }));
    assert.deepEqual(outcome.SuccessfullyDeleted.ids, []);
    sameSet(outcome.WrongPermissions.ids, [mine, bobs._id]);
    assert.deepEqual(outcome.NotFound.ids, [unknown]);
    const owner = JSON.parse(await alice.chat.message.delete([mine, bobs._id].join(","), { force: 1 }));
    sameSet(owner.SuccessfullyDeleted.ids, [mine, bobs._id]);
  });
}

async function reactions({ check }, dialog, group, alice, bob, carol) {
  let id;
  await check("a reaction is added, and everybody in the group is told", async () => {
    id = alice.say(group._id, "react to this");
    await bob.hears(id);
    await bob.chat.message.addReaction(id, "👍");
    for (const member of [alice, carol]) {
      const event = await member.reactions.take((entry) => entry.id === id, "reaction");
      assert.equal(event.from, bob.id);
      assert.equal(event.dialog, group._id);
      assert.equal(event.add, "👍");
      assert.equal(event.remove, undefined);
    }
  });
  await check("one is swapped for another", async () => {
    await carol.chat.message.addReaction(id, "👍");
    await alice.reactions.take((entry) => entry.from === carol.id, "carol's reaction");
    await bob.chat.message.updateReaction(id, "🚪", "👍");
    const event = await alice.reactions.take((entry) => entry.from === bob.id, "swap");
    assert.equal(event.add, "🚪");
    assert.equal(event.remove, "👍");
  });
  await check("reactions are listed with their people, and summed up in the message", async () => {
    assert.deepEqual(await alice.chat.message.listReactions(id), { "👍": [carol.id], "🚪": [bob.id] });
    const { items } = await bob.chat.message.list({ chat_dialog_id: group._id, _id: id, mark_as_read: 0 });
    assert.deepEqual(items[0].reactions, { own: ["🚪"], total: { "👍": 1, "🚪": 1 } });
  });
  await check("one is taken back", async () => {
    await carol.chat.message.removeReaction(id, "👍");
    const event = await alice.reactions.take((entry) => entry.remove === "👍", "removal");
    assert.equal(event.from, carol.id);
    assert.equal(event.add, undefined);
    assert.deepEqual(await alice.chat.message.listReactions(id), { "🚪": [bob.id] });
  });
  await check("in a private dialog the event carries the dialog", async () => {
    const message = alice.say(bob.id, "and this", { dialog_id: dialog._id });
    await bob.hears(message);
    await bob.chat.message.addReaction(message, "❤️");
    const event = await alice.reactions.take((entry) => entry.id === message, "reaction");
    assert.deepEqual([event.from, event.dialog, event.add], [bob.id, dialog._id, "❤️"]);
  });
  await check("nobody else reacts or looks", async () => {
    const { items } = await alice.chat.message.list({ chat_dialog_id: dialog._id, limit: 1, mark_as_read: 0 });
    for (const call of [
      () => carol.chat.message.addReaction(items[0]._id, "👍"),
      () => carol.chat.message.listReactions(items[0]._id),
    ]) {
      const error = await refused(call());
      assert.ok([403, 404].includes(error.code), `code ${error.code}`);
    }
  });
}

async function systemMessages({ check }, alice, bob) {
  await check("a system message by REST reaches the person's chat", async () => {
    const answer = await alice.chat.message.createSystem({
      recipientId: bob.id,
      action: "unlock",
      door: { name: "north", floor: "2" },
    });
    assert.match(answer.messageId, OBJECT_ID);
    assert.equal(answer.recipientId, bob.id);
    assert.equal(answer.extensionParams.action, "unlock");
    const message = await bob.system.take((entry) => entry.id === answer.messageId, "system message");
    assert.equal(message.userId, alice.id);
    assert.equal(message.extension.action, "unlock");
    assert.deepEqual(message.extension.door, { name: "north", floor: "2" });
    assert.equal(message.extension.moduleIdentifier, undefined);
  });
  await check("a system message needs somebody", async () => {
    await refusedWith(422, alice.chat.message.createSystem({ action: "unlock" }));
  });
}

async function searching({ check }, group, alice, bob, carol) {
  const search = (member, params) => member.chat.search(params);
  await check("search finds in texts and names what the seeker may see", async () => {
    await alice.chat.message.create({ chat_dialog_id: group._id, message: "the northern lights" });
    const { results } = await search(bob, { search_text: "northern" });
    assert.deepEqual(results.messages.map((message) => message.message), ["the northern lights"]);
    assert.ok(Array.isArray(results.dialogs) && Array.isArray(results.users));
    await alice.chat.dialog.create({ type: 2, name: "Northern wing", occupants_ids: [carol.id] });
    const { results: named } = await search(carol, { search_text: "Northern" });
    assert.deepEqual(named.dialogs.map((dialog) => dialog.name), ["Northern wing"]);
    const { results: strange } = await search(bob, { search_text: "Northern" });
    assert.deepEqual(strange.dialogs, []);
  });
  await check("search keeps to the dialogs and dates it is given", async () => {
    const day = 24 * 3600 * 1000;
    const within = { start_date: Date.now() + day, end_date: Date.now() - day };
    const found = await search(bob, { search_text: "northern", chat_dialog_ids: [group._id], ...within });
    assert.equal(found.results.messages.length, 1);
    const before = { start_date: Date.now() - 2 * day, end_date: Date.now() - 3 * day };
    const none = await search(bob, { search_text: "northern", ...before });
    assert.deepEqual(none.results.messages, []);
  });
  await check("search has limits", async () => {
    await refusedWith(422, search(bob, { search_text: "nort" }));
    const many = Array.from({ length: 11 }, (_, index) => index.toString(16).padStart(24, "0"));
    await refusedWith(422, search(bob, { search_text: "northern", chat_dialog_ids: many }));
  });
}
