/**
 * The conformance suite of the official SDK, one area a run: `node conformance.mjs dialogs`.
 *
 * An area exports `run(site)` with its checks, `covers`, the SDK's methods and listeners it
 * exercises, and sometimes `settings` for its hub. The last check of a run is that it did exercise
 * them; the area `coverage` holds all areas' lists against the SDK itself.
 */
import assert from "node:assert/strict";
import { Site } from "./lib/site.mjs";

const area = await import(`./conformance/${process.argv[2]}.mjs`);
const site = await Site.start(area.settings);
try {
  await area.run(site);
  await site.check("everything the area claims to cover was called", () => {
    assert.deepEqual(area.covers.filter((name) => !site.calls.has(name)), []);
  });
} catch (error) {
  site.report.abort("script", error);
} finally {
  await site.end();
}
// The SDK leaves timers behind; nothing is pending that matters.
process.exit(site.report.failed ? 1 : 0);
