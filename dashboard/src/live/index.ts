/** The page's store and event stream, and the hooks that components read them with. */
import { useCallback, useSyncExternalStore } from "react";
import { api, onDate } from "../api/client";
import { byAttention, isUnanswered, waits } from "../model/attention";
import type { Call } from "../model/call";
import { monotonic, serverClock } from "./clock";
import { CallStore } from "./store";
import { type Connection, EventStream, type SocketLike } from "./stream";

type Open = (query: Record<string, string>) => SocketLike;

let openSocket: Open = (query) => {
  const address = new URL("/events/ws", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  address.search = new URLSearchParams(query).toString();
  return new WebSocket(address) as unknown as SocketLike;
};

/** For the page with recorded events, which has no server. */
export function replaceSocket(open: Open): void {
  openSocket = open;
}

export const store = new CallStore();

export const stream = new EventStream(store, {
  open: (query) => openSocket(query),
  liveCalls: async () => {
    const page = await api.calls({ live: "true", limit: "500" });
    return page.calls.flatMap((call) => call.callSid ?? []);
  },
  probe: () => api.session(),
  now: monotonic,
  serverTime: (at) => serverClock.heard(at),
  random: () => Math.random(),
});

onDate((date) => serverClock.roughly(date));

export function useConnection(): Connection {
  return useSyncExternalStore(stream.subscribe, stream.current);
}

/** One call, re-rendered by its own events only. */
export function useCall(callSid: string): Call | undefined {
  const subscribe = useCallback(
    (listener: () => void) => store.subscribe(callSid, listener),
    [callSid],
  );
  return useSyncExternalStore(subscribe, () => store.get(callSid));
}

/** The server's time, updated once a second for all components together. */
export function useNow(): number {
  return useSyncExternalStore(clock.subscribe, clock.now);
}

/** Milliseconds since the page was opened, once a second: for what only this browser knows. */
export function useMonotonic(): number {
  return useSyncExternalStore(ownClock.subscribe, ownClock.now);
}

/** The server's time, once a second, for figures computed from all calls. */
export function useSummaryNow(): number {
  return useSyncExternalStore(summaryClock.subscribe, summaryClock.now);
}

/** The live calls, those that need a human first. Sorted once a second, not at every word. */
export function useLiveCalls(): string[] {
  return useSyncExternalStore(ranking.subscribe, ranking.current);
}

/** The live calls that cannot go on without a supervisor. */
export function useWaitingCalls(): string[] {
  return useSyncExternalStore(waitingRanking.subscribe, waitingRanking.current);
}

/** Ticks once a second, `after` milliseconds past the second, so that clocks spread their work. */
function ticking(after: number, time: () => number) {
  const listeners = new Set<() => void>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let now = time();
  const tick = () => {
    now = time();
    clearTimeout(timer);
    timer = setTimeout(tick, rest());
    for (const each of listeners) each();
  };
  /** The time until the next tick; at most a second, even for a negative clock. */
  const rest = () => 1_000 - ((((time() - after) % 1_000) + 1_000) % 1_000);
  serverClock.onJump(() => {
    if (timer === undefined) now = time();
    else tick();
  });
  return {
    now: () => now,
    subscribe(listener: () => void) {
      if (listeners.size === 0) now = time();
      listeners.add(listener);
      timer ??= setTimeout(tick, rest());
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        clearTimeout(timer);
        timer = undefined;
      };
    },
  };
}

const clock = ticking(0, serverClock.now);
const summaryClock = ticking(350, serverClock.now);
const rankingClock = ticking(700, serverClock.now);
const ownClock = ticking(0, monotonic);

function ranked(wanted: (call: Call) => boolean) {
  let sids: string[] = [];
  let shape = "";
  /** Recomputes; the array stays the same object while the order does. */
  const refresh = () => {
    const calls = store.live().filter(wanted);
    const next = byAttention(calls, serverClock.now()).map((call) => call.callSid);
    if (next.length === sids.length && next.every((sid, at) => sid === sids[at])) return;
    sids = next;
  };
  /** Changes when the order must be updated at once: a call came, went, or began to wait. */
  const shapeNow = () => {
    let key = "";
    for (const call of store.live()) {
      const { callSid, question, reply, unattended } = call;
      const waits = [question && "q", reply && "r", unattended && "u", isUnanswered(call) && "n"];
      key += `${callSid}${waits.filter(Boolean).join("")};`;
    }
    return key;
  };
  return {
    current: () => sids,
    subscribe(listener: () => void) {
      const update = () => {
        const before = sids;
        refresh();
        if (sids !== before) listener();
      };
      const stopClock = rankingClock.subscribe(update);
      const stopStore = store.subscribeAll(() => {
        const next = shapeNow();
        if (next === shape) return;
        shape = next;
        update();
      });
      update();
      return () => {
        stopClock();
        stopStore();
      };
    },
  };
}

const ranking = ranked(() => true);
const waitingRanking = ranked(waits);
