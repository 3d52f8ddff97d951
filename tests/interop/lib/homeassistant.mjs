/**
 * A real Home Assistant in the Debian root that `homeassistant/prepare` made (HA_ROOT), with
 * nothing configured but the broker, and its REST API.
 */
import { createHmac, randomBytes } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { Child } from "./process.mjs";

const UP_LIMIT_MS = 240_000;
const STATE_LIMIT_MS = 15_000;
const POLL_MS = 100;

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const at = "2026-01-01T00:00:00+00:00";

/** Automations as they stand in a guide; one that says only what to do waits for an event of its name. */
function automated(automations) {
  if (automations.length === 0) return "";
  const written = automations.map((text, n) => {
    const begins = /^triggers:/m.test(text) ? "" : `    triggers: [{ trigger: event, event_type: guide_${n} }]\n`;
    const indented = text.replace(/^(?=.)/gm, "    ");
    return `  - id: guide_${n}\n    alias: Guide ${n}\n${begins}${indented}`;
  });
  return `automation:\n${written.join("")}`;
}

/** What a user would have clicked together: an owner with a token, and the MQTT integration. */
async function configure(folder, port, brokerPort, automations) {
  const key = randomBytes(64).toString("hex");
  const [user, token] = [randomBytes(16).toString("hex"), randomBytes(16).toString("hex")];
  const store = async (name, version, minor_version, data) => {
    const text = JSON.stringify({ version, minor_version, key: name, data });
    await writeFile(join(folder, ".storage", name), text);
  };
  await mkdir(join(folder, ".storage"), { recursive: true });
  await writeFile(
    join(folder, "configuration.yaml"),
    `homeassistant:
  name: test
  latitude: 48.2
  longitude: 16.4
  elevation: 200
  unit_system: metric
  time_zone: Europe/Vienna
http:
  server_host: 127.0.0.1
  server_port: ${port}
api:
config:
logger:
  default: warning
  logs:
    homeassistant.components.mqtt: info
${automated(automations)}`,
  );
  await store("core.config_entries", 1, 5, {
    entries: [
      {
        created_at: at,
        modified_at: at,
        entry_id: "mq1",
        version: 1,
        minor_version: 1,
        domain: "mqtt",
        title: "broker",
        data: { broker: "127.0.0.1", port: brokerPort, discovery: true, discovery_prefix: "homeassistant" },
        options: {},
        pref_disable_new_entities: false,
        pref_disable_polling: false,
        source: "user",
        unique_id: null,
        disabled_by: null,
        discovery_keys: {},
        subentries: [],
      },
    ],
  });
  await store("auth", 1, 1, {
    users: [
      {
        id: user,
        group_ids: ["system-admin"],
        is_owner: true,
        is_active: true,
        name: "test",
        system_generated: false,
        local_only: false,
      },
    ],
    groups: [
      { id: "system-admin", name: "Administrators" },
      { id: "system-users", name: "Users" },
      { id: "system-read-only", name: "Read Only" },
    ],
    credentials: [],
    refresh_tokens: [
      {
        id: token,
        user_id: user,
        client_id: null,
        client_name: "test",
        client_icon: null,
        token_type: "long_lived_access_token",
        created_at: at,
        access_token_expiration: 315_360_000.0,
        token: randomBytes(64).toString("hex"),
        jwt_key: key,
        last_used_at: null,
        last_used_ip: null,
        expire_at: null,
        credential_id: null,
        version: "2026.2.3",
      },
    ],
  });
  await store("onboarding", 4, 1, { done: ["user", "core_config", "analytics", "integration"] });
  return bearer(token, key);
}

/** The access token of a refresh token: a JWT with HS256. */
function bearer(issuer, key) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ iss: issuer, iat: now - 60, exp: now + 86_400 })}`;
  return `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
}

export class HomeAssistant {
  static async start(brokerPort, automations = []) {
    const root = process.env.HA_ROOT;
    if (!root) throw new Error("HA_ROOT must name the root made by homeassistant/prepare");
    const port = await freePort();
    const folder = join(root, "config");
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    const token = await configure(folder, port, brokerPort, automations);
    // A mount namespace of its own: nothing stays mounted, however it ends.
    const script = `mount --rbind /proc "$1/proc"; mount --rbind /dev "$1/dev"
      exec env -u PIP_FIND_LINKS HOME=/config chroot "$1" env PATH=/ha/bin:/usr/bin:/bin /ha/bin/hass -c /config`;
    const shell = ["--mount", "--propagation", "private", "bash", "-euc", script, "hass", root];
    const child = new Child("home assistant", "unshare", shell);
    const assistant = new HomeAssistant(child, `http://127.0.0.1:${port}`, token, folder);
    await assistant.poll("it runs", UP_LIMIT_MS, async () => {
      const config = await assistant.get("/api/config").catch(() => undefined);
      return config?.state === "RUNNING";
    });
    return assistant;
  }

  constructor(child, url, token, folder) {
    Object.assign(this, { child, url, token, folder });
  }

  async #fetch(path, options = {}) {
    const headers = { Authorization: `Bearer ${this.token}`, "Content-Type": "application/json" };
    const answer = await fetch(`${this.url}${path}`, { ...options, headers });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }

  async get(path) {
    return (await this.#fetch(path)).json();
  }

  async bytes(path) {
    return Buffer.from(await (await this.#fetch(path)).arrayBuffer());
  }

  /** What Home Assistant says of its configuration files. */
  async checked() {
    return (await this.#fetch("/api/config/core/check_config", { method: "POST" })).json();
  }

  /** Calls a service such as `button.press` for an entity, with what it takes besides. */
  async call(service, entity, fields = {}) {
    const body = JSON.stringify({ entity_id: entity, ...fields });
    await this.#fetch(`/api/services/${service.replace(".", "/")}`, { method: "POST", body });
  }

  async states() {
    const list = await this.get("/api/states");
    return new Map(list.map((one) => [one.entity_id, one]));
  }

  /** An entity once `match` is true of it. */
  async entity(id, match = () => true) {
    let last;
    await this.poll(() => `${id}; it is ${JSON.stringify(last)}`, STATE_LIMIT_MS, async () => {
      last = (await this.states()).get(id);
      return last && match(last);
    });
    return last;
  }

  async poll(what, limitMs, body) {
    const end = Date.now() + limitMs;
    while (!(await body())) {
      if (this.child.exited || Date.now() > end) {
        const text = typeof what === "string" ? what : what();
        throw new Error(`waited up to ${limitMs} ms for: ${text}\n${this.tail()}`);
      }
      // Home Assistant's REST API has no way to be told.
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  tail() {
    return this.child.tail();
  }

  async end() {
    await this.child.end();
    await rm(this.folder, { recursive: true, force: true });
  }
}
