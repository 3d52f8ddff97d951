/**
 * Camera, microphone and loudspeaker of the device in a real Home Assistant: turned off and on, one
 * of several chosen, how loud a ring is.
 */
import assert from "node:assert/strict";
import { check } from "../lib/script.mjs";

/** What the device of the test is started with besides its first ones. */
export const OTHERS = {
  cameras: ["test:smpte"],
  sounds: ["test:tone"],
  // It does not open, so one can see that the choice is followed, and taken back.
  sinks: ["alsa:no-such-card"],
};

const is = (state) => (one) => one.state === state;

export async function sources(assistant, control) {
  await check("the camera turned off there gives no picture, and turned on again it does", async () => {
    await assistant.call("switch.turn_off", "switch.front_door_camera");
    await control.state("camera", (camera) => camera.muted);
    await assistant.entity("switch.front_door_camera", is("off"));
    const refused = control.hear("cmd/snapshot/reply", (reply) => !reply.ok);
    await assistant.call("button.press", "button.front_door_take_picture");
    assert.equal((await refused).error.code, "unavailable");
    await assistant.call("switch.turn_on", "switch.front_door_camera");
    await control.state("camera", (camera) => !camera.muted);
    await assistant.entity("switch.front_door_camera", is("on"));
    const before = (await assistant.entity("image.front_door_picture")).state;
    await assistant.call("button.press", "button.front_door_take_picture");
    await assistant.entity("image.front_door_picture", (one) => one.state > before);
  });
  await check("the microphone is turned off and on there, and both switches follow others", async () => {
    await assistant.call("switch.turn_off", "switch.front_door_microphone");
    await control.state("audio", (audio) => audio.muted);
    await assistant.entity("switch.front_door_microphone", is("off"));
    await assistant.call("switch.turn_on", "switch.front_door_microphone");
    await control.state("audio", (audio) => !audio.muted);
    await assistant.entity("switch.front_door_microphone", is("on"));
    for (const [part, muted, state] of [
      ["camera", true, "off"],
      ["camera", false, "on"],
    ]) {
      await control.set(part, { muted });
      await assistant.entity("switch.front_door_camera", is(state));
    }
  });
  await check("another camera, microphone and loudspeaker are chosen there, and the first again", async () => {
    for (const [entity, part, names, inUse] of [
      ["select.front_door_camera_in_use", "camera", ["test:ball", ...OTHERS.cameras], (camera) => camera.source],
      ["select.front_door_microphone_in_use", "audio", ["test", ...OTHERS.sounds], (audio) => audio.source],
      ["select.front_door_loudspeaker_in_use", "audio", ["alsa:null", ...OTHERS.sinks], (audio) => audio.speaker.sink],
    ]) {
      const select = await assistant.entity(entity, is(names[0]));
      assert.deepEqual(select.attributes.options, names);
      for (const option of [...names.slice(1), names[0]]) {
        await assistant.call("select.select_option", entity, { option });
        await control.state(part, (state) => inUse(state) === option);
        await assistant.entity(entity, is(option));
      }
    }
    await control.state("camera", (camera) => camera.status === "running");
    await control.state("audio", (audio) => audio.status === "running" && audio.speaker.status !== "failed");
  });
  await check("a ring is as loud as all else until it is set there", async () => {
    const shows = (entity, percent) => assistant.entity(entity, (one) => Number(one.state) === percent);
    await control.set("audio", { volume: 40 });
    await shows("number.front_door_ring_volume", 40);
    await assistant.call("number.set_value", "number.front_door_ring_volume", { value: 90 });
    await control.state("audio", (audio) => audio.ring_volume === 90 && audio.volume === 40);
    await shows("number.front_door_ring_volume", 90);
    await control.set("audio", { volume: 0 });
    await shows("number.front_door_volume", 0);
    await shows("number.front_door_ring_volume", 90);
  });
}
