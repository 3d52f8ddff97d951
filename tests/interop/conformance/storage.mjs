/** Files: wire reference E.4; ST-01 to ST-15. */
import assert from "node:assert/strict";
import { isRecent, refused, refusedWith } from "../lib/site.mjs";

export const covers = [
  "storage.create",
  "storage.createAndUpload",
  "storage.delete",
  "storage.getFile",
  "storage.getFileObject",
  "storage.getInfo",
  "storage.list",
  "storage.markUploaded",
  "storage.privateUrl",
  "storage.publicUrl",
  "storage.update",
  "storage.upload",
];

/** Bytes that no text encoding leaves alone. */
function bytes(size) {
  return Buffer.from(Array.from({ length: size }, (_, index) => (index * 7 + (index >> 8)) % 256));
}

async function download(url) {
  const response = await fetch(url);
  return { status: response.status, type: response.headers.get("content-type"), body: Buffer.from(await response.arrayBuffer()) };
}

export async function run(site) {
  const { check } = site;
  const [alice, bob] = await site.people("alice", "bobby");
  const { storage } = alice.sdk;
  const file = bytes(100_000);
  let secret;
  await check("a buffer is uploaded in one call", async () => {
    const params = { name: "gate & yard.jpg", file, size: file.length, type: "image/jpeg", public: false };
    secret = await storage.createAndUpload(params);
    assert.equal(typeof secret.id, "number");
    assert.equal(typeof secret.uid, "string");
    assert.ok(secret.uid.length >= 16);
    assert.equal(secret.name, "gate & yard.jpg");
    assert.equal(secret.content_type, "image/jpeg");
    assert.equal(secret.public, false);
    assert.equal(secret.size, file.length);
    isRecent(secret.created_at);
    const access = secret.blob_object_access;
    assert.equal(access.blob_id, secret.id);
    assert.equal(access.object_access_type, "Write");
    assert.equal(typeof access.params, "string");
  });
  await check("its private address gives back the same bytes", async () => {
    const got = await download(storage.privateUrl(secret.uid));
    assert.equal(got.status, 200);
    assert.equal(got.type, "image/jpeg");
    assert.ok(got.body.equals(file), `${got.body.length} bytes`);
  });
  await check("without a token a private file stays closed", async () => {
    const got = await download(storage.publicUrl(secret.uid));
    assert.ok([401, 403, 404].includes(got.status), `${got.status}`);
    const wrong = await download(`${storage.publicUrl(secret.uid)}?token=0123456789abcdef0123456789abcdef`);
    assert.equal(wrong.status, 401);
  });
  await check("another member opens what they have the address of", async () => {
    const got = await download(bob.sdk.storage.privateUrl(secret.uid));
    assert.ok(got.body.equals(file));
  });
  let open;
  await check("a public file opens for everybody", async () => {
    const text = Buffer.from("hello", "utf8");
    open = await storage.createAndUpload({ name: "note.txt", file: text, size: text.length, type: "text/plain", public: true });
    assert.equal(open.public, true);
    const got = await download(storage.publicUrl(open.uid));
    assert.equal(got.status, 200);
    assert.equal(got.body.toString("utf8"), "hello");
    const redirected = await download(`${storage.publicUrl(open.uid)}/download`);
    assert.equal(redirected.body.toString("utf8"), "hello");
  });
  await check("the three steps by hand do the same", async () => {
    const { blob } = await storage.create({ name: "steps.bin", content_type: "application/octet-stream", public: true });
    assert.equal(blob.size, null);
    const { origin, pathname, searchParams } = new URL(blob.blob_object_access.params);
    assert.ok(!blob.blob_object_access.params.includes("@"), "the SDK cannot read an @");
    assert.ok([...searchParams].length > 0);
    const early = await download(storage.publicUrl(blob.uid));
    assert.equal(early.status, 404, "a file that is not complete cannot be downloaded");
    const content = bytes(5_000);
    await storage.upload({ url: origin + pathname, data: { ...Object.fromEntries(searchParams), file: content } });
    await storage.markUploaded({ id: blob.id, size: content.length });
    const got = await download(storage.publicUrl(blob.uid));
    assert.ok(got.body.equals(content));
    const { blob: info } = await storage.getInfo(blob.id);
    assert.equal(info.size, content.length);
  });
  await check("an upload with a forged field is refused", async () => {
    const { blob } = await storage.create({ name: "forged.bin", content_type: "application/octet-stream", public: true });
    const { origin, pathname, searchParams } = new URL(blob.blob_object_access.params);
    const names = [...searchParams.keys()];
    const signature = names.find((name) => /signature/.test(name)) ?? names.at(-1);
    const data = { ...Object.fromEntries(searchParams), [signature]: "0".repeat(64), file: bytes(10) };
    await refused(storage.upload({ url: origin + pathname, data }));
    assert.equal((await download(storage.publicUrl(blob.uid))).status, 404);
  });
  await check("a file is described by number and by uid", async () => {
    const { blob } = await storage.getInfo(secret.id);
    assert.deepEqual([blob.id, blob.uid, blob.name, blob.size], [secret.id, secret.uid, "gate & yard.jpg", file.length]);
    assert.equal((await storage.getFile(secret.uid)).blob.id, secret.id);
  });
  await check("an object address is given, and opens without a token", async () => {
    const { blob } = await storage.getFileObject(secret.uid, { download_url: "1" });
    const { download_url, dowload_url } = blob.blob_object_access;
    assert.equal(dowload_url, download_url);
    const got = await download(download_url);
    assert.ok(got.body.equals(file));
  });
  await check("own files are listed in pages", async () => {
    const { items, current_page, per_page, total_entries } = await storage.list({ page: 1, per_page: 2 });
    assert.deepEqual([current_page, per_page, items.length], [1, 2, 2]);
    assert.equal(total_entries, 4);
    assert.ok(items.every(({ blob }) => typeof blob.uid === "string"));
    assert.deepEqual((await bob.sdk.storage.list()).items, []);
  });
  await check("a file is renamed by its owner only", async () => {
    const { blob } = await storage.update({ id: secret.id, name: "yard.jpg" });
    assert.equal(blob.name, "yard.jpg");
    assert.equal((await storage.getInfo(secret.id)).blob.name, "yard.jpg");
    const error = await refused(bob.sdk.storage.update({ id: secret.id, name: "bob.jpg" }));
    assert.ok([403, 404].includes(error.code), `code ${error.code}`);
  });
  await check("a file needs a name of up to 100 characters and a type", async () => {
    await refusedWith(422, storage.create({ content_type: "text/plain" }));
    await refusedWith(422, storage.create({ name: "x".repeat(101), content_type: "text/plain" }));
  });
  await check("an attachment travels by its uid", async () => {
    await Promise.all([alice.connect(), bob.connect()]);
    await bob.settled();
    const attachments = [{ type: "image", uid: secret.uid, id: String(secret.id), size: String(file.length) }];
    const message = await bob.hears(alice.say(bob.id, "at the gate", { attachments }));
    const [image] = message.extension.attachments;
    assert.equal(image.size, file.length);
    const got = await download(bob.sdk.storage.privateUrl(image.uid));
    assert.ok(got.body.equals(file));
  });
  await check("a file is deleted by its owner only", async () => {
    const error = await refused(bob.sdk.storage.delete(open.id));
    assert.ok([403, 404].includes(error.code), `code ${error.code}`);
    await storage.delete(open.id);
    await refusedWith(404, storage.getInfo(open.id));
    assert.ok([401, 403, 404].includes((await download(storage.publicUrl(open.uid))).status));
  });
}
