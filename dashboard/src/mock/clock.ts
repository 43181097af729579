/** The server's clock less the browser's as it was when the page began, by the address. */
const SKEW_MS = Number(new URLSearchParams(location.search).get("skew") ?? 0) * 1_000;
const epoch = Date.now() + SKEW_MS - performance.now();

/** The server's time, whatever becomes of the browser's clock. */
export const serverNow = (): number => epoch + performance.now();
