/** Debian's Chromium with a camera and a microphone that need no hardware and no question. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--use-fake-ui-for-media-stream",
  "--use-fake-device-for-media-stream",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--allow-loopback-in-peer-connection",
  // Every page here is "in the background" of some other; throttled timers are not the test.
  "--disable-background-timer-throttling",
  "--disable-renderer-backgrounding",
  "--disable-backgrounding-occluded-windows",
];

/**
 * A browser with a fresh profile. `options` go to Playwright's launchPersistentContext;
 * `flags` are further ones of the browser; `video` is an MJPEG or Y4M file to play as the camera instead of the test pattern, `sound` a
 * WAV file to play over and over as the microphone instead of a beep a second.
 */
export async function launch({ video, sound, flags = [], ...options } = {}) {
  const profile = await mkdtemp(join(tmpdir(), "cubelet-chromium-"));
  const args = [...FLAGS, ...flags];
  if (video) args.push(`--use-file-for-fake-video-capture=${video}`);
  if (sound) args.push(`--use-file-for-fake-audio-capture=${sound}`);
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args,
    permissions: ["camera", "microphone"],
    ignoreHTTPSErrors: true,
    ...options,
  });
  return {
    context,
    async close() {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
