/** The page's softphone, and the hooks that components read it with. */
import { useSyncExternalStore } from "react";
import { settings } from "../lib/settings";
import { monotonic } from "../live/clock";
import { Phone, type PhoneSocket, type PhoneState } from "./phone";
import { voiceNamed } from "./speechSynthesis";

type Open = (agent: string) => PhoneSocket;

let openPhone: Open = (agent) => {
  const address = new URL("/softphone/ws", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  if (agent !== "") address.search = new URLSearchParams({ agent }).toString();
  return new WebSocket(address) as unknown as PhoneSocket;
};

/** For the page with recorded events, which has no server. */
export function replacePhone(open: Open): void {
  openPhone = open;
}

const KEY = "phony.softphone";

export const phone = new Phone({
  open: (agent) => openPhone(agent),
  voice: () => voiceNamed(settings().voice),
  now: monotonic,
  keep(call) {
    try {
      if (call) sessionStorage.setItem(KEY, JSON.stringify(call));
      else sessionStorage.removeItem(KEY);
    } catch {
      // No storage: a reload ends the call.
    }
  },
});

/** Resumes the call that was live when the page was reloaded, if there is one. */
export function resumePhone(): void {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    if (typeof kept !== "object" || kept === null || !("callSid" in kept)) return;
    const { callSid, agent } = kept as { callSid: unknown; agent: unknown };
    if (typeof callSid === "string" && typeof agent === "string") phone.resume({ callSid, agent });
  } catch {
    // Nothing to resume.
  }
}

export function usePhone(): PhoneState {
  return useSyncExternalStore(phone.subscribe, phone.current);
}

/** What is being spoken now, as it is spoken. */
export function useCaption(): { said: string; rest: string } | undefined {
  useSyncExternalStore(phone.subscribe, phone.changes);
  return phone.caption;
}
