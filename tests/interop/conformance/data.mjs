/** Custom objects in a class of the operator's: capabilities 6.5; CD-01…CD-31. */
import assert from "node:assert/strict";
import { OBJECT_ID, refusedWith } from "../lib/site.mjs";

export const covers = ["data.create", "data.delete", "data.list", "data.readPermissions", "data.update"];

/** The class of the SDK's own documentation, and one whose records belong to it. */
export const settings = `[[data.class]]
name = "call_history_item"
fields = { call_name = "String", call_participants = "Array of Integer", call_start_time = "Integer", \
call_end_time = "Integer", call_duration = "Float", call_state = "String", is_group_call = "Boolean", \
call_id = "String", caller_location = "Location", tags = "Array", call_date = "Date" }
[[data.class]]
name = "note"
fields = { text = "String" }
`;

const CLASS = "call_history_item";
const CALL = {
  call_name: "Group call",
  call_participants: [2325293, 563541, 563543],
  call_start_time: 1701789791673,
  call_end_time: 0,
  call_duration: 0,
  call_state: "accepted",
  is_group_call: true,
  call_id: "f8c3de3d-1fea-4d7c-a8b0-29f63c4c3454",
  user_id: 2325293,
  caller_location: [50.004444, 36.23438],
};
const DEFAULTS = { read: { access: "open" }, update: { access: "owner" }, delete: { access: "owner" } };

export async function run(site) {
  const { check } = site;
  const [alice, bob] = await site.people("alice", "bobby");
  const { data } = alice.sdk;
  const found = async (filters) => (await data.list(CLASS, filters)).items.map((item) => item.call_name);

  let first;
  await check("a record is created with its values typed and the rest null", async () => {
    first = await data.create(CLASS, CALL);
    const { _id, created_at, updated_at, ...rest } = first;
    assert.match(_id, OBJECT_ID);
    assert.equal(created_at, updated_at);
    assert.ok(Math.abs(Date.now() / 1000 - created_at) < 60, `${created_at}`);
    assert.deepEqual(rest, {
      ...CALL,
      user_id: alice.id,
      _parent_id: null,
      tags: null,
      call_date: null,
      permissions: DEFAULTS,
    });
  });
  let closed;
  await check("a record is created with permissions, which only its owner reads", async () => {
    closed = await data.create(CLASS, {
      ...CALL,
      call_name: "Closed call",
      permissions: {
        read: { access: "open" },
        update: { access: "open_for_users_ids", ids: [bob.id, 563543] },
        delete: { access: "open_for_groups", groups: ["group87", "group108"] },
      },
    });
    const permissions = {
      read: { access: "open" },
      update: { access: "open_for_users_ids", users_ids: [`${bob.id}`, "563543"] },
      delete: { access: "open_for_groups", users_groups: ["group87", "group108"] },
    };
    assert.deepEqual(closed.permissions, permissions);
    assert.deepEqual(await data.readPermissions(CLASS, closed._id), { record_id: closed._id, permissions });
    await refusedWith(403, bob.sdk.data.readPermissions(CLASS, closed._id));
    assert.equal((await bob.sdk.data.update(CLASS, { id: closed._id, call_state: "busy" })).call_state, "busy");
    await refusedWith(403, bob.sdk.data.delete(CLASS, closed._id));
  });
  let many;
  await check("several records are created from a list, in its order", async () => {
    const { class_name, items } = await data.create(CLASS, [
      { ...CALL, call_name: "Group call 1", call_duration: 1.5, call_state: "rejected", tags: ["a", "b"] },
      { ...CALL, call_name: "Group call 2", call_duration: 3, call_date: "2024-01-02T03:04:05Z" },
    ]);
    assert.equal(class_name, CLASS);
    assert.deepEqual(items.map((item) => item.call_name), ["Group call 1", "Group call 2"]);
    assert.equal(items[1].call_date, "2024-01-02T03:04:05Z");
    assert.deepEqual(items[0].permissions, DEFAULTS);
    many = items;
  });
  await check("records are read by an id, by a list and by a text of ids", async () => {
    const ids = [first._id, many[0]._id];
    assert.deepEqual((await data.list(CLASS, first._id)).items, [first]);
    for (const several of [ids, ids.join(",")]) {
      const { items } = await data.list(CLASS, several);
      assert.deepEqual(items.map((item) => item._id).sort(), [...ids].sort());
    }
  });
  await check("records are searched by every operator", async () => {
    const all = ["Group call", "Closed call", "Group call 1", "Group call 2"];
    assert.deepEqual(await found({}), all);
    assert.deepEqual(await found({ call_duration: { gt: 0 } }), ["Group call 1", "Group call 2"]);
    assert.deepEqual(await found({ call_duration: { gte: 1.5, lt: 3 } }), ["Group call 1"]);
    assert.deepEqual(await found({ call_state: { ne: "accepted" } }), ["Closed call", "Group call 1"]);
    assert.deepEqual(await found({ call_state: { in: ["busy", "rejected"] } }), ["Closed call", "Group call 1"]);
    assert.deepEqual(await found({ call_state: { nin: ["busy", "accepted"] } }), ["Group call 1"]);
    assert.deepEqual(await found({ call_state: { or: "busy,none" } }), ["Closed call"]);
    assert.deepEqual(await found({ call_name: { ctn: "call 2" } }), ["Group call 2"]);
    assert.deepEqual(await found({ tags: { all: ["b", "a"] } }), ["Group call 1"]);
    assert.deepEqual(await found({ call_participants: { all: [563541, 2325293] }, call_duration: 3 }), [
      "Group call 2",
    ]);
    assert.deepEqual(await found({ is_group_call: false }), []);
    assert.deepEqual(await found({ call_date: { gt: "2024-01-01T00:00:00Z" } }), ["Group call 2"]);
    assert.deepEqual(await found({ tags: null, call_state: "busy" }), ["Closed call"]);
    assert.deepEqual(await found({ caller_location: { near: "50.0,36.2;1000" } }), []);
    assert.deepEqual(await found({ caller_location: { near: "50.0,36.2;5000" } }), all);
  });
  await check("records are sorted, paged and counted, with the fields one wants", async () => {
    assert.deepEqual(await found({ sort_desc: "_id", limit: 2, skip: 1 }), ["Group call 1", "Closed call"]);
    assert.deepEqual(await found({ limit: -1 }), ["Group call 2"]);
    assert.deepEqual(await found({ sort_asc: "call_duration", limit: -1 }), ["Group call 2"]);
    assert.equal((await data.list(CLASS, { call_state: "accepted", count: 1 })).items.count, 2);
    const include = await data.list(CLASS, { output: { include: ["call_state", "call_name"] }, limit: 1 });
    assert.deepEqual(Object.keys(include.items[0]).sort(), ["_id", "call_name", "call_state"]);
    const exclude = await data.list(CLASS, { output: { exclude: ["call_state", "created_at"] }, limit: 1 });
    assert.ok(!("call_state" in exclude.items[0]) && !("created_at" in exclude.items[0]));
    assert.equal(exclude.items[0].call_name, "Group call");
    assert.equal(exclude.items[0].permissions, undefined);
  });
  await check("records are added up in groups", async () => {
    const { items } = await data.list(CLASS, { call_duration: { calc: "sum" }, group_by: "call_state" });
    assert.deepEqual(items, [
      { call_state: "accepted", call_duration: 3 },
      { call_state: "busy", call_duration: 0 },
      { call_state: "rejected", call_duration: 1.5 },
    ]);
  });
  await check("a record is changed, and by every operator", async () => {
    const changed = await data.update(CLASS, { id: first._id, call_end_time: 1701945033120 });
    assert.equal(changed.call_end_time, 1701945033120);
    assert.equal(changed.call_name, "Group call");
    const after = async (params) => await data.update(CLASS, { _id: first._id, ...params });
    assert.equal((await after({ inc: { call_end_time: -20 } })).call_end_time, 1701945033100);
    assert.deepEqual((await after({ push: { tags: ["x", "y", "x"] } })).tags, ["x", "y", "x"]);
    assert.deepEqual((await after({ add_to_set: { tags: ["x", "z"] } })).tags, ["x", "y", "x", "z"]);
    assert.deepEqual((await after({ pull: { tags: "x" } })).tags, ["y", "z"]);
    assert.deepEqual((await after({ update_by_index: { tags: { 0: "w" } } })).tags, ["w", "z"]);
    assert.deepEqual((await after({ tags: { 1: "v" } })).tags, ["w", "v"]);
    assert.deepEqual((await after({ push: { tags: ["u"] }, pop: { tags: -1 } })).tags, ["v", "u"]);
    assert.deepEqual((await after({ pop: { tags: 1 } })).tags, ["v"]);
    assert.deepEqual((await after({ pull_all: { tags: ["v", "q"] } })).tags, []);
    assert.deepEqual((await after({ pull: { call_participants: { lt: 1000000, gt: 563541 } } })).call_participants, [
      2325293, 563541,
    ]);
    assert.deepEqual((await after({ pull_with_filter: { call_participants: { gt: 563541 } } })).call_participants, [
      563541,
    ]);
    assert.equal((await after({ call_state: null })).call_state, null);
  });
  await check("several records are changed, and those missing are named", async () => {
    const { class_name, items, not_found } = await data.update(CLASS, [
      { id: many[0]._id, call_end_time: 5 },
      { _id: many[1]._id, call_end_time: 6 },
      { id: "0".repeat(24), call_end_time: 7 },
    ]);
    assert.equal(class_name, CLASS);
    assert.deepEqual(items.map((item) => [item._id, item.call_end_time]), [
      [many[0]._id, 5],
      [many[1]._id, 6],
    ]);
    assert.deepEqual(not_found, { ids: ["0".repeat(24)] });
  });
  await check("records are changed by criteria", async () => {
    const { items, total_found, skip, limit } = await data.update(CLASS, {
      search_criteria: { user_id: alice.id, call_end_time: { in: [5, 6] } },
      call_name: "Deleted user",
    });
    assert.deepEqual([total_found, skip, limit], [2, 0, 100]);
    assert.deepEqual(items.map((item) => item.call_name), ["Deleted user", "Deleted user"]);
  });
  await check("records belong to others, are found by them and go with them", async () => {
    const note = await data.create("note", { text: "loud", _parent_id: first._id });
    assert.equal(note._parent_id, first._id);
    const other = await bob.sdk.data.create("note", { text: "short", _parent_id: note._id });
    assert.deepEqual((await data.list("note", { _parent_id: first._id })).items.map((item) => item._id), [note._id]);
    await data.delete(CLASS, first._id);
    await refusedWith(404, data.list(CLASS, first._id));
    assert.deepEqual((await data.list("note")).items, [], other._id);
  });
  await check("of several to remove it is told what became of each", async () => {
    const none = "0".repeat(24);
    const mine = await bob.sdk.data.create(CLASS, { call_name: "of bob" });
    assert.deepEqual(await bob.sdk.data.delete(CLASS, [mine._id, many[0]._id, none]), {
      SuccessfullyDeleted: { ids: [mine._id] },
      WrongPermissions: { ids: [many[0]._id] },
      NotFound: { ids: [none] },
    });
    await data.delete(CLASS, [many[1]._id]);
  });
  await check("records are removed by criteria", async () => {
    assert.deepEqual(await data.delete(CLASS, { call_id: { in: [CALL.call_id] }, call_name: "Deleted user" }), {
      total_deleted: 1,
    });
    assert.deepEqual(await found({}), ["Closed call"]);
    await refusedWith(422, data.delete(CLASS, {}));
  });
  await check("what the class has not got is refused by name", async () => {
    // Each is asked when its turn comes: a refusal nobody waits for yet ends Node.
    for (const ask of [
      () => data.create(CLASS, { colour: "red" }),
      () => data.list(CLASS, { colour: "red" }),
      () => bob.sdk.data.update(CLASS, { id: closed._id, inc: { colour: 1 } }),
    ]) {
      const { info } = await refusedWith(422, ask());
      assert.ok(info.errors.colour, JSON.stringify(info));
    }
    await refusedWith(404, data.create("Cars", {}));
  });
}
