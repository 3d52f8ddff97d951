/** Privacy lists: wire reference B.9; RT-49 to RT-53. */
import assert from "node:assert/strict";
import { refused } from "../lib/site.mjs";

export const covers = [
  "chat.helpers.getUserNickWithMucDomain",
  "chat.privacylist.create",
  "chat.privacylist.delete",
  "chat.privacylist.getList",
  "chat.privacylist.getNames",
  "chat.privacylist.setAsDefault",
  "chat.privacylist.update",
];

export async function run(site) {
  const { check, ready } = site;
  const [alice, bob, carol] = await site.connected("alice", "bobby", "carol");
  const lists = alice.chat.privacylist;

  await check("a user begins without lists", async () => {
    assert.deepEqual(await lists.getNames(), { default: null, active: null, names: [] });
    assert.deepEqual(await lists.getList("nothing"), { name: "", items: [] });
  });
  await check("a list keeps its people in their order", async () => {
    await lists.create({
      name: "pests",
      items: [
        { user_id: bob.id, action: "deny" },
        { user_id: carol.id, action: "deny", mutualBlock: true },
      ],
    });
    const list = await lists.getList("pests");
    assert.equal(list.name, "pests");
    assert.deepEqual(
      list.items.map(({ user_id, action }) => ({ user_id, action })),
      [
        { user_id: bob.id, action: "deny" },
        { user_id: carol.id, action: "deny" },
      ],
    );
    assert.deepEqual((await lists.getNames()).names, ["pests"]);
    assert.equal(alice.chat.helpers.getUserNickWithMucDomain(bob.id), `muc.${ready.chat}/${bob.id}`);
  });
  await check("a list does nothing until it is the default", async () => {
    await alice.hears(bob.say(alice.id, "before"));
    await lists.setAsDefault("pests");
    assert.equal((await lists.getNames()).default, "pests");
  });
  await check("who is blocked gets an error, and nothing arrives", async () => {
    const id = bob.say(alice.id, "blocked");
    const refusal = await bob.refusals.take((entry) => entry.id === id, "refusal");
    assert.deepEqual(refusal, { id, code: 503, info: "Service not available." });
    const signal = bob.chat.sendSystemMessage(alice.id, { extension: { k: "v" } });
    await bob.settled();
    await alice.settled();
    assert.ok(!alice.messages.left.some((message) => message.id === id));
    assert.ok(!alice.system.left.some((message) => message.id === signal));
  });
  await check("one way: the owner still writes to who is blocked", async () => {
    const message = await bob.hears(alice.say(bob.id, "one way"));
    assert.equal(message.body, "one way");
  });
  await check("both ways: the owner is refused too", async () => {
    const id = alice.say(carol.id, "mutual");
    const refusal = await alice.refusals.take((entry) => entry.id === id, "refusal");
    assert.equal(refusal.code, 503);
    await carol.settled();
    assert.ok(!carol.messages.left.some((message) => message.id === id));
    const back = carol.say(alice.id, "mutual too");
    assert.equal((await carol.refusals.take((entry) => entry.id === back, "refusal")).code, 503);
  });
  await check("in a group the blocked person's messages are hidden from the owner, silently", async () => {
    const group = await carol.chat.dialog.create({ type: 2, name: "House", occupants_ids: [alice.id, bob.id] });
    const hidden = bob.say(group._id, "can alice see me?");
    await carol.hears(hidden);
    // The group's order says that the hidden one would have come before this one.
    const shown = alice.say(group._id, "no");
    await alice.hears(shown);
    assert.ok(!alice.messages.left.some((message) => message.id === hidden));
    await bob.hears(shown);
    await bob.settled();
    assert.ok(!bob.refusals.left.some((entry) => entry.id === hidden));
  });
  await check("an update changes one person and keeps the others", async () => {
    await lists.setAsDefault(null);
    await lists.update({ name: "pests", items: [{ user_id: carol.id, action: "allow" }] });
    const { items } = await lists.getList("pests");
    assert.deepEqual(items.map((item) => item.user_id), [bob.id]);
    assert.equal((await lists.getNames()).default, null);
  });
  await check("without a default list nobody is blocked", async () => {
    const message = await alice.hears(bob.say(alice.id, "free again"));
    assert.equal(message.body, "free again");
  });
  await check("a blocked person stays blocked for the next connection", async () => {
    await lists.setAsDefault("pests");
    await alice.disconnect();
    const id = bob.say(alice.id, "while you are away");
    assert.equal((await bob.refusals.take((entry) => entry.id === id, "refusal")).code, 503);
    await alice.connect();
    await alice.settled();
    assert.ok(!alice.messages.left.some((message) => message.id === id));
    await lists.setAsDefault(null);
  });
  await check("a deleted list is gone", async () => {
    await lists.delete("pests");
    assert.deepEqual((await lists.getNames()).names, []);
    assert.deepEqual((await lists.getList("pests")).items, []);
  });
  await check("a list that does not exist cannot be the default", async () => {
    // The SDK looks the error up twice, so its code may be 0 (wire reference B.7).
    const error = await refused(lists.setAsDefault("nothing"));
    assert.ok("code" in error, JSON.stringify(error));
  });
}
