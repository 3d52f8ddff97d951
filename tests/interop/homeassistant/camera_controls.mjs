/**
 * What a device announces of a camera's controls, in a real Home Assistant. No machine of the tests
 * has such a camera: the announcement and the camera's state are the files the tests of the device
 * compare with what it makes, published here in its place.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Control } from "../lib/broker.mjs";
import { check, keep } from "../lib/script.mjs";

const ANNOUNCED = "homeassistant/device/cubelet-door/config";
const AGREED = new URL("../../testdata/", import.meta.url);
const KEY = "camera_control_";

/** A number is shown with as many decimals as Home Assistant likes. */
const is = (value) => (one) => Number(one.state) === value;

const agreed = async (name) => JSON.parse(await readFile(new URL(name, AGREED), "utf8"));

export async function cameraControls(assistant, brokerPort) {
  const announcement = await agreed("home_assistant.json");
  const camera = { ...(await agreed("home_assistant_camera.json")), status: "running" };
  const controls = Object.entries(announcement.cmps).filter(([key]) => key.startsWith(KEY));
  announcement.dev.name = "Board";
  announcement.cmps = Object.fromEntries(controls);
  const orders = await keep(Control.connect(brokerPort, "door"));
  const retained = (topic, value) => {
    const payload = typeof value === "string" ? value : JSON.stringify(value);
    return orders.client.publishAsync(topic, payload, { retain: true, qos: 1 });
  };
  const shown = (state) => retained("cubelet/door/camera/state", state);
  const ordered = async (service, entity, fields, wanted) => {
    await assistant.call(service, entity, fields);
    assert.deepEqual(await orders.hear("camera/set"), { controls: wanted });
  };

  await check("a camera's controls appear with their ranges and values; rare ones wait to be switched on", async () => {
    await retained("cubelet/door/availability", "online");
    await shown(camera);
    await retained(ANNOUNCED, announcement);
    const number = await assistant.entity("number.board_camera_brightness", is(-3));
    const { min, max, step } = number.attributes;
    assert.deepEqual([min, max, step], [-64, 64, 1]);
    await assistant.entity("switch.board_camera_white_balance_automatic", (one) => one.state === "on");
    const exposure = await assistant.entity(
      "select.board_camera_auto_exposure",
      (one) => one.state === "Aperture Priority Mode",
    );
    assert.deepEqual(exposure.attributes.options, ["Manual Mode", "Aperture Priority Mode"]);
    const found = [...(await assistant.states()).keys()].filter((id) => id.includes(".board_"));
    assert.deepEqual(found.sort(), [
      "button.board_camera_pan_reset",
      "number.board_camera_brightness",
      "number.board_camera_pan_absolute",
      "select.board_camera_auto_exposure",
      "switch.board_camera_white_balance_automatic",
    ]);
  });
  await check("set there, each is an order with the driver's own values", async () => {
    await ordered("number.set_value", "number.board_camera_brightness", { value: 30 }, { brightness: 30 });
    await ordered("number.set_value", "number.board_camera_pan_absolute", { value: -7200 }, { pan_absolute: -7200 });
    const option = "Manual Mode";
    await ordered("select.select_option", "select.board_camera_auto_exposure", { option }, { auto_exposure: option });
    const white = { white_balance_automatic: false };
    await ordered("switch.turn_off", "switch.board_camera_white_balance_automatic", {}, white);
    await ordered("button.press", "button.board_camera_pan_reset", {}, { pan_reset: true });
  });
  await check("they follow the camera's state, and are unavailable while it is away", async () => {
    const settable = structuredClone(camera.settable);
    settable.brightness.value = 30;
    settable.white_balance_automatic.value = 0;
    settable.auto_exposure.value = 1;
    await shown({ ...camera, settable });
    await assistant.entity("number.board_camera_brightness", is(30));
    await assistant.entity("switch.board_camera_white_balance_automatic", (one) => one.state === "off");
    await assistant.entity("select.board_camera_auto_exposure", (one) => one.state === "Manual Mode");
    await shown({ ...camera, status: "failed" });
    await assistant.entity("number.board_camera_brightness", (one) => one.state === "unavailable");
    await shown(camera);
    await assistant.entity("number.board_camera_brightness", is(-3));
  });
  await check("one the next camera does not have is gone, the others stay", async () => {
    const cmps = { ...announcement.cmps, [`${KEY}brightness`]: { p: "number" } };
    await retained(ANNOUNCED, { ...announcement, cmps });
    await assistant.poll("brightness is gone", 15_000, async () => {
      return !(await assistant.states()).has("number.board_camera_brightness");
    });
    await assistant.entity("number.board_camera_pan_absolute", is(0));
  });
}
