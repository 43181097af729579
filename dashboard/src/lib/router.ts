/** Maps addresses to pages. All are under the base path, `/dashboard/`. */
import { useSyncExternalStore } from "react";

export type Route =
  | { page: "wallboard" }
  | { page: "call"; callSid: string; seq: number | undefined }
  | { page: "history" }
  | { page: "new" }
  | { page: "softphone" }
  | { page: "agents" }
  | { page: "health" }
  | { page: "unknown" };

const base = import.meta.env.BASE_URL.replace(/\/$/, "");

export const paths = {
  wallboard: `${base}/`,
  history: `${base}/history`,
  new: `${base}/new`,
  softphone: `${base}/softphone`,
  agents: `${base}/agents`,
  health: `${base}/health`,
  call: (callSid: string, seq?: number) =>
    `${base}/calls/${encodeURIComponent(callSid)}${seq === undefined ? "" : `#${seq}`}`,
};

/** The route of an address; `?callSid=` opens that call from any page. */
export function routeOf(pathname: string, search: string, hash: string): Route {
  const asked = new URLSearchParams(search).get("callSid");
  const seq = /^#\d+$/.test(hash) ? Number(hash.slice(1)) : undefined;
  if (asked) return { page: "call", callSid: asked, seq };
  const path = pathname.startsWith(base) ? pathname.slice(base.length) : pathname;
  const [first = "", second = "", third] = path.split("/").filter((part) => part !== "");
  if (third !== undefined) return { page: "unknown" };
  if (first === "calls" && second !== "") {
    return { page: "call", callSid: decoded(second), seq };
  }
  if (second !== "") return { page: "unknown" };
  switch (first) {
    case "":
    case "login":
      return { page: "wallboard" };
    case "history":
    case "new":
    case "softphone":
    case "agents":
    case "health":
      return { page: first };
    default:
      return { page: "unknown" };
  }
}

export function go(path: string): void {
  history.pushState(null, "", path);
  changed();
}

/** Keeps a page's query in its address, for going back and for copying the link. */
export function remember(query: Record<string, string>): void {
  const search = new URLSearchParams(query).toString();
  const kept = location.pathname + (search === "" ? "" : `?${search}`) + location.hash;
  if (kept !== location.pathname + location.search + location.hash) {
    history.replaceState(history.state, "", kept);
  }
}

/** Handles a click on an internal link, unless it is meant for a new tab. */
export function follow(event: React.MouseEvent<HTMLElement>, path: string): void {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) {
    return;
  }
  event.preventDefault();
  go(path);
}

export function useRoute(): Route {
  const address = useSyncExternalStore(subscribe, read);
  const [pathname = "", search = "", hash = ""] = address.split("\n");
  return routeOf(pathname, search, hash);
}

const listeners = new Set<() => void>();

function changed(): void {
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}

function read(): string {
  return `${location.pathname}\n${location.search}\n${location.hash}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
