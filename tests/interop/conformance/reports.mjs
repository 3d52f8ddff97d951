/** Reports as records of custom classes: wire reference E.5; CH-46, CH-47. */
import assert from "node:assert/strict";
import { refusedWith } from "../lib/site.mjs";

export const covers = ["data.create", "data.delete", "data.list", "data.readPermissions", "data.update"];

export async function run(site) {
  const { check } = site;
  const [alice, bob] = await site.people("alice", "bobby");
  const { data } = alice.sdk;
  const owner = { access: "owner" };
  const permissions = { read: owner, update: owner, delete: owner };
  let first;
  await check("a user is reported", async () => {
    first = await data.create("UserReports", { reportedUserId: bob.id, reason: "shouts at the door" });
    assert.equal(first._id.length, 24);
    assert.equal(first._parent_id, null);
    assert.equal(first.user_id, alice.id);
    assert.equal(first.reportedUserId, bob.id);
    assert.equal(first.reason, "shouts at the door");
    assert.deepEqual(first.permissions, permissions);
    // Unix seconds, unlike elsewhere.
    assert.ok(Math.abs(Date.now() / 1000 - first.created_at) < 60, `${first.created_at}`);
    assert.equal(first.updated_at, first.created_at);
  });
  let second;
  await check("a message is reported by its id", async () => {
    const reportedMessageId = "66f0aa000102030405000001";
    second = await data.create("MessageReports", { reportedMessageId, reason: "rude" });
    assert.equal(second.reportedMessageId, reportedMessageId);
  });
  await check("own reports are listed, filtered, sorted and counted", async () => {
    const other = await data.create("UserReports", { reportedUserId: alice.id, reason: "myself" });
    const { class_name, items } = await data.list("UserReports", { sort_desc: "reportedUserId", limit: 10, skip: 0 });
    assert.equal(class_name, "UserReports");
    assert.deepEqual(items.map((item) => item._id).sort(), [first._id, other._id].sort());
    assert.ok(items[0].reportedUserId > items[1].reportedUserId);
    const found = await data.list("UserReports", { reportedUserId: bob.id });
    assert.deepEqual(found.items.map((item) => item._id), [first._id]);
    const counted = await data.list("UserReports", { reason: { ctn: "door" }, count: 1 });
    assert.equal(counted.items.count, 1);
    await data.delete("UserReports", other._id);
  });
  await check("reports are read by their ids", async () => {
    const { items } = await data.list("UserReports", first._id);
    assert.deepEqual(items, [first]);
    assert.deepEqual(await data.readPermissions("UserReports", first._id), { record_id: first._id, permissions });
  });
  await check("a report is changed", async () => {
    const changed = await data.update("UserReports", { _id: first._id, reason: "knocked, too" });
    assert.equal(changed.reason, "knocked, too");
    assert.equal(changed.reportedUserId, bob.id);
  });
  await check("others see, change and remove none of it", async () => {
    assert.deepEqual((await bob.sdk.data.list("UserReports")).items, []);
    await refusedWith(403, bob.sdk.data.update("UserReports", { id: first._id, reason: "nothing" }));
    const told = await bob.sdk.data.delete("UserReports", [first._id, "0".repeat(24)]);
    assert.deepEqual(told, {
      SuccessfullyDeleted: { ids: [] },
      WrongPermissions: { ids: [first._id] },
      NotFound: { ids: ["0".repeat(24)] },
    });
  });
  await check("a class the hub has not got and a field the class has not got are refused", async () => {
    await refusedWith(404, data.create("Cars", { make: "none" }));
    await refusedWith(422, data.create("UserReports", { reportedUserId: bob.id, colour: "red" }));
    await refusedWith(422, data.create("UserReports", { reason: "of whom?" }));
  });
  await check("a report is removed", async () => {
    await data.delete("UserReports", first._id);
    assert.deepEqual((await data.list("UserReports")).items, []);
    await refusedWith(404, data.list("UserReports", first._id));
    await data.delete("MessageReports", second._id);
  });
}
