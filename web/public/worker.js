/**
 * The phone's service worker: shows what the hub pushes while the page is closed or hidden, and opens
 * the page when it is tapped. It caches nothing.
 */
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

/** A call has the session that rings; one that is shown again replaces the earlier one. */
function tagOf(data) {
  if (data.uuid) return `call-${data.uuid}`;
  return data.dialog_id ? `chat-${data.dialog_id}` : undefined;
}

self.addEventListener("push", (event) => {
  const data = event.data?.json().data ?? {};
  const isCall = data.signal_type === "startCall";
  // Browsers take the right away from a worker that shows nothing.
  const shown = self.registration.showNotification(String(data.title ?? "Hub"), {
    body: String(data.message ?? ""),
    icon: "icon.svg",
    tag: tagOf(data),
    renotify: tagOf(data) !== undefined,
    requireInteraction: isCall,
  });
  event.waitUntil(shown);
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const opened = async () => {
    const pages = await self.clients.matchAll({ type: "window" });
    return pages.length > 0 ? pages[0].focus() : self.clients.openWindow("./");
  };
  event.waitUntil(opened());
});
