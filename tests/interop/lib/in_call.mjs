// A call of a page with a device, from the first ring to idle again.

/** The page calls, the device answers; afterwards both hang up. */
export async function inCall(device, phone, during) {
  await phone.call([device.id]);
  await device.control.hear("event/call/ringing", (event) => event.direction === "incoming");
  await device.control.command("answer");
  await device.control.hear("event/call/connected");
  await phone.receives(device.id);
  await during();
  await phone.hangUp();
  await device.control.hear("event/call/ended");
  await device.control.state("call", (call) => call.status === "idle");
}
