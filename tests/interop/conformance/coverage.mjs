/** Every method and listener of the SDK is exercised by an area, or named here with the reason why not. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { surface } from "../lib/surface.mjs";

/** Covered by nothing: this area looks at the others. */
export const covers = [];

/** Not of these areas: a name, or the beginning of names up to a dot or an underscore, and why. */
const ELSEWHERE = [
  ["addressbook.", "address book: not chat"],
  ["linkpreview.", "a service of its own, not the hub's"],
  ["meeting.", "meetings: not chat"],
  ["whiteboard.", "whiteboards: not chat"],
  ["service.", "below every REST call of the other services"],
  ["chat.streamManagement.", "driven by chat.connect and chat.send; its outcome is chat.onSentMessageCallback"],
  ["auth.generateCreateSessionParams", "private: part of auth.createSession"],
  ["chat.addXMPPClientListener", "private: part of chat.connect"],
  ["chat.enableCarbons", "private: part of chat.connect"],
  ["chat.getCallExtension", "private: reads calls, which the Node build has not"],
  ["chat.getListenerByName", "private: part of chat.addListener"],
  ["chat.message.putReaction", "private: part of chat.message.updateReaction"],
  ["chat.onIQ", "private: called for what arrives"],
  ["chat.onLastActivityStanza", "private: called for what arrives"],
  ["chat.onMessage", "private: called for what arrives"],
  ["chat.onMessageError", "private: called for what arrives"],
  ["chat.onPresence", "private: called for what arrives"],
  ["chat.onSystemMessage", "private: called for what arrives"],
  ["chat.onWebRTCSignalingMessage", "private: called for what arrives"],
  ["chat.postConnectActions", "private: part of chat.connect"],
  ["chat.privacylist.assignPrivacyItem", "private: part of chat.privacylist.create"],
  ["chat.removeAllXMPPClientListeners", "private: part of chat.connect"],
  ["chat.removeXMPPClientListener", "private: the opposite of chat.addXMPPClientListener"],
  ["data.createRecord", "private: the several records of data.create and data.update"],
  ["chat.setSubscriptionToUserLastActivity", "private: part of the subscription methods"],
  ["storage.parseUri", "private: part of storage.createAndUpload"],
];

export async function run({ check, sdk }) {
  const all = surface(sdk);
  const files = readdirSync(import.meta.dirname ?? new URL(".", import.meta.url));
  const areas = await Promise.all(
    files.filter((file) => file !== "coverage.mjs").map((file) => import(`./${file}`)),
  );
  const covered = new Set(areas.flatMap((area) => area.covers));
  const isElsewhere = (name) =>
    ELSEWHERE.some(([excuse]) => name === excuse || (excuse.endsWith(".") && name.startsWith(excuse)));

  await check("the SDK has what it is known for", () => {
    // A walk that finds nothing would prove nothing.
    for (const known of ["auth.login", "chat.dialog.create", "chat.muc.join", "chat.onKickOccupant"]) {
      assert.ok(all.has(known), known);
    }
    assert.ok(all.size > 150, `${all.size} methods`);
  });
  await check("every method and listener is exercised or excused", () => {
    const forgotten = [...all].filter((name) => !covered.has(name) && !isElsewhere(name));
    assert.deepEqual(forgotten, []);
  });
  await check("areas cover only what the SDK has", () => {
    assert.deepEqual([...covered].filter((name) => !all.has(name)), []);
  });
  await check("every excuse is needed", () => {
    const needed = ([excuse]) =>
      [...all].some(
        (name) => !covered.has(name) && (name === excuse || (excuse.endsWith(".") && name.startsWith(excuse))),
      );
    assert.deepEqual(ELSEWHERE.filter((entry) => !needed(entry)), []);
  });
}
