// See bench/memory. The daemon is a plain `cubelet run` against a hub and a broker of its own.
import { readFileSync, readdirSync } from "node:fs";
import { resolve } from "node:path";

process.env.CUBELET_BIN = resolve(process.argv[2]);
const { startBroker, Control } = await import("../tests/interop/lib/broker.mjs");
const { startDevice } = await import("../tests/interop/lib/device.mjs");
const { signUp, startHub } = await import("../tests/interop/lib/hub.mjs");

const SETTLE_MS = 10_000;
const hub = await startHub();
const broker = await startBroker();
try {
  for (const [name, warm, bound] of [["before media is loaded", false, 12], ["media warm", true, 25]]) {
    const login = `memory-${warm}`;
    const [user] = await signUp(hub.ready, [{ login, password: "a-password", full_name: login }]);
    const control = await Control.connect(broker.port, login);
    const settings = { ready: hub.ready, user, brokerPort: broker.port, name: login, ring: [], allowed: [] };
    const device = await startDevice({ ...settings, warm });
    await control.state("chat", (chat) => chat.status === "online");
    // Idle is what is left when start-up has settled; there is no event that says so.
    await new Promise((done) => setTimeout(done, SETTLE_MS));
    const { rss, anonymous, threads } = read(device.pid);
    console.error(`${name}: ${rss} MB resident (${anonymous} MB of it its own), ${threads} threads`);
    const figure = `idle memory, ${name}`;
    console.log(JSON.stringify({ figure, ours: rss, unit: "MB", bound, ok: rss <= bound, own: anonymous, threads }));
    await device.end();
    await control.end();
  }
} finally {
  await broker.end();
  await hub.end();
}

function read(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const megabytes = (key) => Math.round((Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)[1]) / 1024) * 10) / 10;
  const threads = readdirSync(`/proc/${pid}/task`).length;
  return { rss: megabytes("VmRSS"), anonymous: megabytes("RssAnon"), threads };
}
