/**
 * Takes the pictures of the README from the real thing: a phone page at a hub, rung by a
 * station. `CUBELET_BIN=… node screenshots.mjs [DIRECTORY] [--all]`; `--all` adds the views
 * that are only looked at while designing (desktop, light, sign-in, conversation).
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { launch } from "./lib/chromium.mjs";
import { signUp, startHub } from "./lib/hub.mjs";
import { Phone } from "./lib/phone.mjs";
import { Station } from "./lib/station.mjs";

const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, colorScheme: "dark" };
const DESKTOP = { viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1, colorScheme: "light" };
const all = process.argv.includes("--all");
const directory = process.argv.slice(2).find((argument) => !argument.startsWith("--")) ?? "../../docs/images";

const tag = Date.now().toString(36);
const hub = await startHub();
const [door, anna, , ben] = await signUp(hub.ready, [
  { login: `door-${tag}`, password: "door-password", full_name: "Front door", tag_list: ["station"] },
  { login: `anna-${tag}`, password: "anna-password", full_name: "Anna Weber" },
  { login: `gate-${tag}`, password: "gate-password", full_name: "Garden gate", tag_list: ["station"] },
  { login: `ben-${tag}`, password: "ben-password", full_name: "Ben Okafor" },
]);
await mkdir(directory, { recursive: true });
const station = await Station.start(hub.ready, door);
const browsers = [];

async function shoot(phone, name) {
  await phone.page.screenshot({ path: join(directory, `${name}.png`), animations: "allow" });
}

async function tour(size, options) {
  const browser = await launch(options);
  browsers.push(browser);
  const phone = await Phone.open(browser, hub.ready);
  if (all) await shoot(phone, `${size}-sign-in`);
  await phone.signIn(anna);
  if (all) await shoot(phone, `${size}-home`);
  await station.ring(anna.id, "Front door");
  await phone.ringing("Front door");
  await phone.page.waitForFunction(() => document.querySelector(".snapshot").complete);
  await shoot(phone, size === "phone" ? "phone-ringing" : `${size}-ringing`);
  // The resident prefers to see and not be seen; it also keeps the test pattern off the picture.
  if (!all) await phone.button("Camera off").click();
  await phone.button("Answer").click();
  await phone.connected();
  await phone.receivesMoreThan({ frames: 0, samples: 0 });
  await shoot(phone, size === "phone" ? "phone-in-call" : `${size}-in-call`);
  if (all) {
    await phone.button("Open door").click();
    await phone.button("Door opened").waitFor();
    await shoot(phone, `${size}-door`);
    await station.door("you are not on this door's list");
    await phone.button("Open door").click();
    await phone.button("Not opened").waitFor();
    await shoot(phone, `${size}-refused`);
    await station.door("open");
    await phone.button("Message").click();
    const request = size === "phone" ? "Please leave it at the door." : "Second floor, please.";
    await phone.write(request);
    await phone.tick(request, "Delivered");
    await shoot(phone, `${size}-mini`);
  }
  await station.hangUp();
  if (!all) return;
  await phone.page.locator('[role=dialog][data-phase="ended"]').waitFor();
  await shoot(phone, `${size}-ended`);
  await phone.call.waitFor({ state: "hidden" });
  await converse(phone, size);
  await station.ring(anna.id, "Front door", { withSnapshot: false });
  await phone.ringing("Front door");
  await shoot(phone, `${size}-ringing-plain`);
  await phone.button("Decline").click();
}

async function converse(phone, size) {
  if (await phone.button("Back").isVisible()) await phone.button("Back").click();
  await phone.openConversation("Ben Okafor");
  const other = await launch({});
  browsers.push(other);
  const ben2 = await Phone.open(other, hub.ready);
  await ben2.signIn(ben);
  await ben2.openConversation("Anna Weber");
  if (size === "phone") {
    await ben2.write("Did the parcel come?");
    await phone.message("Did the parcel come?").waitFor();
    await phone.write("Yes, ten minutes ago. I opened the door from the train.");
    await phone.tick("Yes, ten minutes ago.", "Read");
    await ben2.write("Perfect, thank you!");
    await phone.message("Perfect, thank you!").waitFor();
  } else await phone.message("Perfect, thank you!").waitFor();
  await shoot(phone, `${size}-conversation`);
}

let failed = false;
try {
  await tour("phone", PHONE);
  if (all) await tour("desktop", DESKTOP);
} catch (error) {
  failed = true;
  console.error(error, station.log.join("\n"), hub.tail());
} finally {
  for (const browser of browsers) await browser.close();
  await station.close();
  await hub.end();
}
process.exitCode = failed ? 1 : 0;
