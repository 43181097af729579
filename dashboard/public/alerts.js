// Shows the page's notifications where a page may not do so itself (Chrome on Android). It keeps
// nothing and answers no request.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const path = event.notification.data?.path;
  if (typeof path !== "string") return;
  event.waitUntil(lead(path));
});

/** To the page that is open, or to a new one. */
async function lead(path) {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const [page] = pages;
  if (!page) return self.clients.openWindow(path);
  await page.focus();
  page.postMessage({ open: path });
}
