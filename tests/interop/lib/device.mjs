/** A door station: `cubelet run` with test sources, configured as a user would. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child, json } from "./process.mjs";

const READY_LIMIT_MS = 30_000;

/**
 * Starts the device of a signed-up user. `ring` and `allowed` are logins: whom the bell calls,
 * and who may open the door; `warm` keeps the camera ready between calls; `source` is the camera,
 * `sound` the microphone, `dtx` whether it pauses, `sink` the loudspeaker, `others` lists of further ones
 * (`cameras`, `sounds`, `sinks`); `calls` is TOML for the section of that name, `more` for sections of
 * its own; `code` opens the door.
 */
export async function startDevice(settings) {
  const { ready, user, name } = settings;
  const binary = process.env.CUBELET_DEVICE_BIN ?? process.env.CUBELET_BIN;
  if (!binary) throw new Error("CUBELET_BIN must name the cubelet binary");
  const home = await mkdtemp(join(tmpdir(), "cubelet-device-"));
  await mkdir(join(home, "state"));
  await secret(join(home, "password"), user.password);
  await secret(join(home, "auth-key"), ready.auth_key);
  if (settings.code) await secret(join(home, "code"), settings.code);
  const file = join(home, "kiosk.toml");
  await writeFile(file, config(settings));
  const environment = { ...process.env, RUST_LOG: process.env.RUST_LOG ?? "info" };
  const child = new Child(name, binary, ["run", "--config", file, "--ready-json"], { env: environment });
  const isReady = (line) => {
    const value = json(line);
    return value?.status === "online" ? value : undefined;
  };
  const online = await child.line(child.stdout, isReady, READY_LIMIT_MS);
  return {
    pid: child.pid,
    /** Where its files are. */
    folder: home,
    /** Where its console listens, if it has one. */
    console: online.console,
    tail: () => child.tail(),
    async end() {
      await child.end();
      await rm(home, { recursive: true, force: true });
    },
  };
}

function config({ ready, user, brokerPort, name, ring, allowed, warm = true, source = "test:ball", sound = "test", dtx = false, sink = "null", others = {}, calls = "", code = undefined, more = "" }) {
  // A JSON string is a TOML string, and a JSON list of strings a TOML list.
  const toml = JSON.stringify;
  return `
[device]
name = ${toml(name)}
state_dir = "state"

[hub]
api = ${toml(ready.api)}
chat = ${toml(`tls://${ready.xmpp_tls}`)}
chat_host = ${toml(ready.chat)}
ca = ${toml(ready.ca)}
app_id = ${ready.app_id}
auth_key_file = "auth-key"
login = ${toml(user.login)}
password_file = "password"

[camera]
source = ${toml(source)}
others = ${toml(others.cameras ?? [])}
warm = ${warm}

[audio]
source = ${toml(sound)}
other_sources = ${toml(others.sounds ?? [])}
sink = ${toml(sink)}
other_sinks = ${toml(others.sinks ?? [])}
dtx = ${dtx}

[calls]
ring = ${toml(ring)}
bind = ["127.0.0.1"]
${calls}

[door]
relay = "log"
unlock_allowed = ${toml(allowed)}
${code ? 'code_file = "code"' : ""}

[mqtt]
host = "127.0.0.1"
port = ${brokerPort}
${more}
`;
}

async function secret(path, text) {
  await writeFile(path, text, { mode: 0o600 });
  await chmod(path, 0o600);
}
