/**
 * Desktop notifications. Browsers on phones have none that a page may make itself: there a service
 * worker shows them (`public/alerts.js`). Where neither works, the sound and the page's title remain.
 */
export interface Notice {
  title: string;
  body: string;
  /** A newer one of the same name takes its place. */
  tag: string;
  /** The page that a click leads to. */
  path: string;
}

/** Where the page may notify at all. */
export function mayNotify(): boolean {
  return "Notification" in window && Notification.permission === "granted";
}

/** Shows it; false if this browser cannot. `open` is called with the path of one that was clicked. */
export async function show(notice: Notice, open: (path: string) => void): Promise<boolean> {
  const { title, body, tag, path } = notice;
  try {
    const shown = new Notification(title, { body, tag });
    shown.onclick = () => {
      window.focus();
      open(path);
      shown.close();
    };
    return true;
  } catch {
    // Chrome on Android: «Illegal constructor. Use ServiceWorkerRegistration.showNotification()».
  }
  try {
    const worker = await registered(open);
    await worker.showNotification(title, { body, tag, data: { path } });
    return true;
  } catch {
    return false;
  }
}

let worker: Promise<ServiceWorkerRegistration> | undefined;

/** The worker, which is asked for only where there is no other way. */
function registered(open: (path: string) => void): Promise<ServiceWorkerRegistration> {
  worker ??= register(open).catch((error: unknown) => {
    // The next notice tries again.
    worker = undefined;
    throw error;
  });
  return worker;
}

async function register(open: (path: string) => void): Promise<ServiceWorkerRegistration> {
  const { serviceWorker } = navigator;
  if (!serviceWorker) throw new Error("no service worker without HTTPS");
  await serviceWorker.register(`${import.meta.env.BASE_URL}alerts.js`);
  serviceWorker.addEventListener("message", ({ data }) => {
    const path: unknown = (data as { open?: unknown } | null)?.open;
    if (typeof path === "string") open(path);
  });
  serviceWorker.startMessages();
  return serviceWorker.ready;
}
