/**
 * The device in a real Home Assistant: it appears by itself with all its entities, they follow
 * what happens, their buttons and switches work, and it goes when it is not announced any more.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { cameraControls } from "./homeassistant/camera_controls.mjs";
import { OTHERS, sources } from "./homeassistant/sources.mjs";
import { Control, startBroker } from "./lib/broker.mjs";
import { startDevice } from "./lib/device.mjs";
import { HomeAssistant } from "./lib/homeassistant.mjs";
import { signUp, startHub } from "./lib/hub.mjs";
import { check, keep, script } from "./lib/script.mjs";

async function run() {
  const hub = await keep(startHub());
  const tag = Date.now().toString(36);
  const [door, indoor] = await signUp(hub.ready, [
    { login: `door-${tag}`, password: "door-password", full_name: "Front door" },
    { login: `indoor-${tag}`, password: "indoor-password", full_name: "Indoor" },
  ]);
  const broker = await keep(startBroker());
  const control = await keep(Control.connect(broker.port, "front-door"));
  const station = {
    ready: hub.ready,
    user: door,
    brokerPort: broker.port,
    name: "front-door",
    ring: [indoor.login],
    allowed: [indoor.login],
    // ALSA's own `null` is a loudspeaker that needs no card.
    sink: "alsa:null",
    others: OTHERS,
  };
  const announced = `
[calls.incoming]
auto_answer = [${JSON.stringify(indoor.login)}]
auto_answer_after_s = 30

[recording]
enabled = true
`;
  const guide = await readFile(new URL("../../docs/guide/home-assistant.md", import.meta.url), "utf8");
  const examples = [...guide.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text);
  const assistant = await keep(HomeAssistant.start(broker.port, examples));
  const device = await startDevice({ ...station, more: announced });
  let running = device;
  await keep({ tail: () => running.tail(), end: () => running.end() });
  const caller = { ready: hub.ready, user: indoor, brokerPort: broker.port, name: "indoor" };
  const quiet = "\n[mqtt.home_assistant]\nenabled = false\n";
  await keep(startDevice({ ...caller, ring: [door.login], allowed: [], more: quiet }));
  const indoors = await keep(Control.connect(broker.port, "indoor"));
  await indoors.state("chat", (chat) => chat.status === "online");

  await entities(assistant);
  await bell(assistant, control);
  await opening(assistant, control);
  await switches(assistant, control);
  await calls(assistant, control, indoors, door);
  await pictures(assistant);
  await recordings(assistant, control);
  await announcements(assistant, control);
  await sources(assistant, control);
  await automations(assistant, control, examples);
  await cameraControls(assistant, broker.port);
  await check("another start of Home Assistant is answered by the announcement", async () => {
    const topic = "homeassistant/device/cubelet-front-door/config";
    const heard = new Promise((resolve) => {
      control.client.on("message", (name, _, packet) => name === topic && !packet.retain && resolve());
    });
    await control.client.subscribeAsync(topic);
    await control.client.publishAsync("homeassistant/status", "online");
    await heard;
  });
  await check("Home Assistant has nothing to complain about in templates and topics", async () => {
    const ours = / (ERROR|WARNING) .*(mqtt|template|front_door|board_camera|automation)/;
    const complaints = assistant.tail().split("\n").filter((line) => ours.test(line));
    assert.deepEqual(complaints, []);
  });
  await check("a device that stops is unavailable", async () => {
    await running.end();
    await assistant.entity("sensor.front_door_call", (one) => one.state === "unavailable");
  });
  running = await startDevice({ ...station, more: announced + quiet });
  await check("a device that is not announced any more is gone", async () => {
    await assistant.poll("all entities are gone", 15_000, async () => {
      const left = [...(await assistant.states()).keys()].filter((id) => id.includes("front_door"));
      return left.length === 0;
    });
  });
}

/** Which entities there are, with the state each has before anything happened. */
const EXPECTED = {
  "binary_sensor.front_door_chat": "on",
  "binary_sensor.front_door_problem": "off",
  "binary_sensor.front_door_recording": "off",
  "button.front_door_answer": "unknown",
  "button.front_door_decline": "unknown",
  "button.front_door_hang_up": "unknown",
  "button.front_door_open_door": "unknown",
  "button.front_door_play_tone": "unknown",
  "button.front_door_ring": "unknown",
  "button.front_door_stop_announcement": "unknown",
  "button.front_door_stop_ringing": "unknown",
  "button.front_door_take_picture": "unknown",
  "camera.front_door_camera": undefined,
  "event.front_door_button": "unknown",
  "event.front_door_door": "unknown",
  "event.front_door_doorbell": "unknown",
  "event.front_door_recording": "unknown",
  "image.front_door_picture": "unknown",
  "lock.front_door_door": "locked",
  "notify.front_door_announcement": "unknown",
  "number.front_door_ring_volume": "unknown",
  "number.front_door_volume": "unknown",
  "select.front_door_camera_in_use": "test:ball",
  "select.front_door_loudspeaker_in_use": "alsa:null",
  "select.front_door_microphone_in_use": "test",
  "sensor.front_door_bell": "idle",
  "sensor.front_door_call": "idle",
  "sensor.front_door_last_call": "unknown",
  "sensor.front_door_last_recording": "unknown",
  "sensor.front_door_other_side": "unknown",
  "sensor.front_door_recording": "idle",
  "sensor.front_door_running_since": undefined,
  "sensor.front_door_time_to_first_picture": "unknown",
  "sensor.front_door_unread_messages": "0",
  "sensor.front_door_version": undefined,
  "switch.front_door_answer_automatically": "on",
  "switch.front_door_camera": "on",
  "switch.front_door_do_not_disturb": "off",
  "switch.front_door_loudspeaker_off": "off",
  "switch.front_door_microphone": "on",
  "switch.front_door_mute_call": "unavailable",
  "switch.front_door_record": "off",
  "update.front_door_program": "off",
};

async function entities(assistant) {
  await check("all entities appear by themselves with their states", async () => {
    await assistant.entity("binary_sensor.front_door_chat", (one) => one.state === "on");
    await assistant.entity("sensor.front_door_call", (one) => one.state === "idle");
    const states = await assistant.states();
    const ours = [...states.values()].filter((one) => one.entity_id.includes(".front_door"));
    const found = ours.map((one) => one.entity_id).filter((id) => !id.endsWith("board_temperature"));
    assert.deepEqual(found.sort(), Object.keys(EXPECTED).sort());
    for (const [id, state] of Object.entries(EXPECTED)) {
      if (state !== undefined) assert.equal(states.get(id).state, state, id);
    }
    const started = states.get("sensor.front_door_running_since").state;
    assert.ok(Math.abs(Date.parse(started) - Date.now()) < 600_000, started);
    assert.match(states.get("sensor.front_door_version").state, /^\d+\.\d+\.\d+/);
    // The hub is of the same build.
    const { attributes: program } = states.get("update.front_door_program");
    const version = states.get("sensor.front_door_version").state;
    assert.deepEqual([program.installed_version, program.latest_version, program.title], [version, version, "cubelet"]);
    assert.equal(states.get("event.front_door_doorbell").attributes.device_class, "doorbell");
    return found.length;
  });
}

const fired = (type) => (one) => one.attributes.event_type === type;

async function bell(assistant, control) {
  await check("the ring button rings; the doorbell fires, bell and call follow", async () => {
    await assistant.call("button.press", "button.front_door_ring");
    const event = await assistant.entity("event.front_door_doorbell", fired("ring"));
    assert.match(event.attributes.ring, /^[0-9a-f]{24}$/);
    await assistant.entity("event.front_door_button", fired("press"));
    await assistant.entity("sensor.front_door_bell", (one) => one.state === "ringing");
    await assistant.entity("sensor.front_door_call", (one) => one.state === "dialing");
    await control.hear("event/ring/started");
  });
  await check("stopped from there, the doorbell says so and all is idle", async () => {
    await assistant.call("button.press", "button.front_door_stop_ringing");
    await assistant.entity("event.front_door_doorbell", fired("stopped"));
    await assistant.entity("sensor.front_door_bell", (one) => one.state === "idle");
    await assistant.entity("sensor.front_door_call", (one) => one.state === "idle");
  });
}

async function opening(assistant, control) {
  await check("the button opens the door, and the lock follows", async () => {
    await assistant.call("button.press", "button.front_door_open_door");
    await control.hear("event/door/unlocked");
    await assistant.entity("event.front_door_door", fired("unlocked"));
    await assistant.entity("lock.front_door_door", (one) => one.state === "unlocked");
    await assistant.entity("lock.front_door_door", (one) => one.state === "locked");
  });
  await check("unlocking the lock opens the door, locking it never does", async () => {
    await assistant.call("lock.lock", "lock.front_door_door");
    const refusal = await control.hear("cmd/unlock/reply", (reply) => !reply.ok);
    assert.equal(refusal.error.code, "invalid_payload");
    await assistant.call("lock.unlock", "lock.front_door_door");
    await control.hear("event/door/unlocked");
    await assistant.entity("lock.front_door_door", (one) => one.state === "unlocked");
  });
}

async function switches(assistant, control) {
  await check("the switches set the device's policy and follow it", async () => {
    await assistant.call("switch.turn_on", "switch.front_door_do_not_disturb");
    await control.state("policy", (policy) => policy.dnd);
    await assistant.entity("switch.front_door_do_not_disturb", (one) => one.state === "on");
    await control.command("dnd", { on: false });
    await assistant.entity("switch.front_door_do_not_disturb", (one) => one.state === "off");
    await assistant.call("switch.turn_off", "switch.front_door_answer_automatically");
    await control.state("policy", (policy) => !policy.auto_answer);
    await assistant.entity("switch.front_door_answer_automatically", (one) => one.state === "off");
  });
}

async function calls(assistant, control, indoors, door) {
  await check("an incoming call is shown with its caller, answered, muted and ended from there", async () => {
    const { user } = await indoors.state("chat", (chat) => chat.user);
    await indoors.command("call", { user: door.login });
    await assistant.entity("sensor.front_door_call", (one) => one.state === "ringing");
    await assistant.entity("sensor.front_door_other_side", (one) => one.state === String(user));
    await assistant.call("button.press", "button.front_door_answer");
    await assistant.entity("sensor.front_door_call", (one) => one.state === "connected");
    await assistant.entity("sensor.front_door_time_to_first_picture", (one) => Number(one.state) > 0);
    await assistant.call("switch.turn_on", "switch.front_door_mute_call");
    await control.state("call", (call) => call.muted.audio);
    await assistant.entity("switch.front_door_mute_call", (one) => one.state === "on");
    await assistant.call("button.press", "button.front_door_hang_up");
    await assistant.entity("sensor.front_door_call", (one) => one.state === "idle");
    const last = await assistant.entity("sensor.front_door_last_call", (one) => one.state === "hung_up");
    assert.equal(last.attributes.peer, user);
    assert.ok(last.attributes.quality.frames_sent > 0);
    await assistant.entity("sensor.front_door_other_side", (one) => one.state === "unknown");
    return last.attributes.quality;
  });
}

async function pictures(assistant) {
  await check("a picture taken from there is image and camera", async () => {
    await assistant.call("button.press", "button.front_door_take_picture");
    await assistant.entity("image.front_door_picture", (one) => one.state !== "unknown");
    for (const path of ["image_proxy/image.front_door_picture", "camera_proxy/camera.front_door_camera"]) {
      const jpeg = await assistant.bytes(`/api/${path}`);
      assert.deepEqual([...jpeg.subarray(0, 2)], [0xff, 0xd8], path);
    }
  });
}

async function recordings(assistant, control) {
  await check("a recording is begun and ended from there, and its file is named", async () => {
    await assistant.call("switch.turn_on", "switch.front_door_record");
    await control.hear("event/recording/started");
    await assistant.entity("switch.front_door_record", (one) => one.state === "on");
    await assistant.entity("sensor.front_door_recording", (one) => one.state === "recording");
    await assistant.entity("binary_sensor.front_door_recording", (one) => one.state === "on");
    await assistant.entity("event.front_door_recording", fired("started"));
    await assistant.call("switch.turn_off", "switch.front_door_record");
    const finished = await control.hear("event/recording/finished");
    const last = await assistant.entity("sensor.front_door_last_recording", (one) => one.state === finished.file);
    await assistant.entity("event.front_door_recording", fired("finished"));
    await assistant.entity("switch.front_door_record", (one) => one.state === "off");
    await assistant.entity("binary_sensor.front_door_recording", (one) => one.state === "off");
    return last.state;
  });
  await check("a recording begun by somebody else is shown there", async () => {
    await control.command("record", { action: "start" });
    await assistant.entity("switch.front_door_record", (one) => one.state === "on");
    await control.command("record", { action: "stop" });
    await assistant.entity("switch.front_door_record", (one) => one.state === "off");
  });
}

async function announcements(assistant, control) {
  await check("a message to the device is read out by it", async () => {
    const message = 'The "parcel" belongs to {{ neighbours }}, Öl and all.';
    await assistant.call("notify.send_message", "notify.front_door_announcement", { message });
    const reply = await control.hear("cmd/say/reply", (reply) => reply.ok);
    const started = await control.hear("event/announcement/started");
    assert.equal(started.announcement, reply.announcement);
    await assistant.call("button.press", "button.front_door_stop_announcement");
    const ended = await control.hear("event/announcement/ended");
    assert.equal(ended.reason, "stopped");
  });
  await check("the tone is played to its end", async () => {
    await assistant.call("button.press", "button.front_door_play_tone");
    const ended = await control.hear("event/announcement/ended");
    assert.equal(ended.reason, undefined);
  });
  await check("volume and silence of the loudspeaker are set and followed", async () => {
    await assistant.call("number.set_value", "number.front_door_volume", { value: 35 });
    await control.state("audio", (audio) => audio.volume === 35);
    await assistant.entity("number.front_door_volume", (one) => Number(one.state) === 35);
    await control.set("audio", { volume: 0 });
    await assistant.entity("number.front_door_volume", (one) => Number(one.state) === 0);
    await assistant.call("switch.turn_on", "switch.front_door_loudspeaker_off");
    await control.state("audio", (audio) => audio.speaker_muted);
    await assistant.entity("switch.front_door_loudspeaker_off", (one) => one.state === "on");
    await assistant.call("switch.turn_off", "switch.front_door_loudspeaker_off");
    await assistant.entity("switch.front_door_loudspeaker_off", (one) => one.state === "off");
  });
}

async function automations(assistant, control, examples) {
  await check("the guide's automations are taken", async () => {
    assert.equal(examples.length, 2);
    const { result, errors } = await assistant.checked();
    assert.equal(result, "valid", errors);
    for (const n of examples.keys()) {
      await assistant.entity(`automation.guide_${n}`, (one) => one.state === "on");
    }
  });
  await check("the guide's first takes a picture at a ring", async () => {
    const before = (await assistant.entity("image.front_door_picture")).state;
    await assistant.call("button.press", "button.front_door_ring");
    await assistant.entity("image.front_door_picture", (one) => one.state > before);
    await assistant.call("button.press", "button.front_door_stop_ringing");
  });
  await check("the guide's second speaks to the visitor", async () => {
    const since = Date.now();
    await assistant.call("automation.trigger", "automation.guide_1");
    await control.hear("event/announcement/started", (told) => told.ts >= since);
    await assistant.call("button.press", "button.front_door_stop_announcement");
  });
}

await script(run);
