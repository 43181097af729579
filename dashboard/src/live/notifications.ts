/**
 * Desktop notifications. On phones, browsers do not let a page make them; there a service worker
 * shows them (`public/alerts.js`). Where neither works, the sound and the page's title remain.
 */
export interface Message {
  title: string;
  body: string;
  /** A newer notification with the same tag replaces it. */
  tag: string;
  /** The path that a click opens. */
  path: string;
}

/** Whether the page is allowed to notify. */
export function mayNotify(): boolean {
  return "Notification" in window && Notification.permission === "granted";
}

/** Shows a notification; false if this browser cannot. `open` gets the path when it is clicked. */
export async function notify(message: Message, open: (path: string) => void): Promise<boolean> {
  const { title, body, tag, path } = message;
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

/** The worker, registered only where there is no other way. */
function registered(open: (path: string) => void): Promise<ServiceWorkerRegistration> {
  worker ??= register(open).catch((error: unknown) => {
    // The next notification tries again.
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
