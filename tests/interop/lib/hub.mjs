/** A throw-away hub: `cubelet hub --dev` on free ports, its data gone with it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ConnectyCube from "connectycube";
import { Child, json } from "./process.mjs";

const READY_LIMIT_MS = 30_000;

/**
 * Starts the hub of the binary in CUBELET_BIN. HUB_READY (a ready line) takes one that runs.
 * `hub.ready` is what it said about itself. `settings` is TOML that a scratch hub needs besides
 * addresses and keys, top-level fields first.
 */
export async function startHub(settings) {
  if (process.env.HUB_READY) {
    return { ready: JSON.parse(process.env.HUB_READY), tail: () => "", end: async () => undefined };
  }
  const binary = process.env.CUBELET_BIN;
  if (!binary) throw new Error("CUBELET_BIN must name the cubelet binary");
  const folder = settings && (await configured(settings));
  const how = folder ? ["--config", join(folder, "hub.toml")] : ["--dev"];
  const child = new Child("hub", binary, ["hub", ...how, "--ready-json"]);
  const isReady = (line) => {
    const value = json(line);
    return value?.api ? value : undefined;
  };
  const ready = await child.line(child.stdout, isReady, READY_LIMIT_MS);
  const end = async () => {
    await child.end();
    if (folder) await rm(folder, { recursive: true, force: true });
  };
  return { ready, tail: () => child.tail(), end };
}

/** A folder with a configuration on free ports of loopback. */
async function configured(settings) {
  const folder = await mkdtemp(join(tmpdir(), "cubelet-conformance-"));
  const config = `data_dir = ${JSON.stringify(join(folder, "data"))}
app_id = 7
auth_key = "conformance"
names = ["127.0.0.1"]
${settings}
[listen]
http = "127.0.0.1:0"
https = "127.0.0.1:0"
xmpp_tls = "127.0.0.1:0"
`;
  await writeFile(join(folder, "hub.toml"), config, { mode: 0o600 });
  return folder;
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
