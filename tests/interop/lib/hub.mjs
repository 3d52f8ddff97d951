/** A throw-away hub: `cubelet hub --dev` on free ports, its data gone with it. */
import ConnectyCube from "connectycube";
import { Child, json } from "./process.mjs";

const READY_LIMIT_MS = 30_000;

/**
 * Starts the hub of the binary in CUBELET_BIN. HUB_READY (a ready line) takes one that runs.
 * `hub.ready` is what it said about itself.
 */
export async function startHub() {
  if (process.env.HUB_READY) {
    return { ready: JSON.parse(process.env.HUB_READY), tail: () => "", end: async () => undefined };
  }
  const binary = process.env.CUBELET_BIN;
  if (!binary) throw new Error("CUBELET_BIN must name the cubelet binary");
  const child = new Child("hub", binary, ["hub", "--dev", "--ready-json"]);
  const isReady = (line) => {
    const value = json(line);
    return value?.api ? value : undefined;
  };
  const ready = await child.line(child.stdout, isReady, READY_LIMIT_MS);
  return { ready, tail: () => child.tail(), end: () => child.end() };
}

/** The address of the web phone. */
export function phoneUrl(ready) {
  return ready.phone.endsWith("/") ? ready.phone : `${ready.phone}/`;
}

/** What turns the official SDK towards this hub instead of the cloud. */
export function sdkOptions(ready) {
  return {
    endpoints: {
      api: new URL(ready.api).host,
      api_url: ready.api,
      chat: ready.chat,
      chat_url: ready.chat_url,
    },
    chat: { streamManagement: { enable: true }, reconnect: { enable: true, timeInterval: 1 } },
    debug: { mode: 0 },
  };
}

/** The SDK's own instance, for calls that need no user. */
export function prepareSdk(ready) {
  ConnectyCube.init({ appId: ready.app_id, authKey: ready.auth_key }, sdkOptions(ready));
  return ConnectyCube;
}

/** Registers users through the SDK; gives them back with their ids and passwords. */
export async function signUp(ready, people) {
  const sdk = prepareSdk(ready);
  await sdk.createSession();
  const users = [];
  for (const person of people) {
    const { user } = await sdk.users.signup(person);
    users.push({ ...user, password: person.password });
  }
  await sdk.destroySession();
  return users;
}
