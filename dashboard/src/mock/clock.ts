/** How far the server's clock is ahead of the browser's at the start (`?skew=`, in seconds). */
const SKEW_MS = Number(new URLSearchParams(location.search).get("skew") ?? 0) * 1_000;
const epoch = Date.now() + SKEW_MS - performance.now();

/** The server's time, unaffected by changes of the browser's clock. */
export const serverNow = (): number => epoch + performance.now();
