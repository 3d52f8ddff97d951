/**
 * Being reached while the page is closed: the browser subscribes at its push service and the hub is
 * told where. Where any of it is missing the phone works as before, while it is open.
 */
import ConnectyCube from "connectycube";

const DEVICE = "cubelet.phone.device";

/** Asks for the right to notify; to be called while a tap is being handled. */
export async function askToNotify(): Promise<void> {
  if ("Notification" in window && Notification.permission === "default") {
    await Notification.requestPermission();
  }
}

/** Subscribes this browser for the user who is signed in. Whether it did. */
export async function subscribe(token: string): Promise<boolean> {
  if (!("serviceWorker" in navigator) || !("PushManager" in window)) return false;
  if (!("Notification" in window) || Notification.permission !== "granted") return false;
  const told = await fetch(new URL("/cubelet/push", location.origin), { headers: { "CB-Token": token } });
  // A hub whose owner wants no push notifications.
  if (!told.ok) return false;
  const { vapid_public_key: key } = (await told.json()) as { vapid_public_key: string };
  const worker = await navigator.serviceWorker.register("worker.js");
  const { endpoint, keys } = (await subscribed(worker, key)).toJSON();
  if (!endpoint || !keys?.auth || !keys.p256dh) return false;
  await ConnectyCube.pushnotifications.subscriptions.create({
    notification_channel: "web",
    device: { platform: "web", udid: device() },
    push_token: {
      environment: "production",
      web_endpoint: endpoint,
      web_auth: keys.auth,
      web_p256dh: keys.p256dh,
    },
  });
  return true;
}

/** A subscription with another hub's key, as after a new installation, is given up for one with this. */
async function subscribed(worker: ServiceWorkerRegistration, key: string): Promise<PushSubscription> {
  const options = { applicationServerKey: key, userVisibleOnly: true };
  try {
    return await worker.pushManager.subscribe(options);
  } catch (error) {
    const former = await worker.pushManager.getSubscription();
    if (!former) throw error;
    await former.unsubscribe();
    return await worker.pushManager.subscribe(options);
  }
}

/** Ends it: whoever signs in here next is not told what was meant for somebody else. */
export async function unsubscribe(): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  const worker = await navigator.serviceWorker.getRegistration();
  const subscription = await worker?.pushManager?.getSubscription();
  await subscription?.unsubscribe();
  const { subscriptions } = ConnectyCube.pushnotifications;
  const own = (await subscriptions.list()).filter((one) => one.subscription.device.udid === device());
  await Promise.all(own.map((one) => subscriptions.delete(one.subscription.id)));
}

/** A name of this browser, made up once. */
function device(): string {
  try {
    const known = localStorage.getItem(DEVICE);
    if (known) return known;
    const made = crypto.randomUUID();
    localStorage.setItem(DEVICE, made);
    return made;
  } catch {
    // Without a memory each visit is another browser; the hub forgets the oldest.
    return crypto.randomUUID();
  }
}
