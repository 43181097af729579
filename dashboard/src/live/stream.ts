/**
 * The page's event socket, kept open. It carries the events of every live call from the first on. What
 * it leaves out (the past of ended calls, the end of those that ended while it was down, gaps) is
 * fetched call by call over short-lived sockets with `after=`, a few at a time. The events' numbers
 * join the two without loss or duplicates (`model/reducer.ts`).
 */
import { type CallEvent, parseEvent } from "../api/events";
import { hasGap } from "../model/call";
import { HEARTBEAT, HeartbeatMonitor, heartbeatTime } from "./heartbeat";
import type { CallStore } from "./store";

/** What the stream needs of a `WebSocket`. */
export interface SocketLike {
  onopen: (() => void) | null;
  onmessage: ((message: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface Connection {
  state: "connecting" | "live" | "stale";
  /** When the connection was lost; 0 unless stale. */
  since: number;
  /** When the next attempt is due; 0 unless stale. */
  retryAt: number;
}

export interface Dependencies {
  open: (query: Record<string, string>) => SocketLike;
  /** The ids of the live calls. */
  liveCalls: () => Promise<string[]>;
  /** Whether this browser is still logged in; rejects if the server does not answer. */
  probe: () => Promise<boolean>;
  /** Milliseconds of a monotonic clock. */
  now: () => number;
  /** Called with the server's time at each of its heartbeats. */
  serverTime: (at: number) => void;
  random: () => number;
}

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;
/** After this long a socket that has neither opened nor failed is given up. */
const OPENING_MS = 8_000;
/** A replay is over once nothing has come for this long; the main socket has the rest. */
const QUIET_MS = 500;
/** How long the server is given to replay live calls on the main socket by itself. */
const SETTLE_MS = 300;
const REPLAYS_AT_ONCE = 16;
const REPLAY_TRIES = 4;
/** How many known events are requested again after the connection was lost. */
const OVERLAP = 32;

export class EventStream {
  private socket: SocketLike | undefined;
  private connection: Connection = { state: "connecting", since: 0, retryAt: 0 };
  private listeners = new Set<() => void>();
  private retry: ReturnType<typeof setTimeout> | undefined;
  private tries = 0;
  private heartbeat: HeartbeatMonitor | undefined;
  private stopped = true;
  private queue: string[] = [];
  private running = new Map<string, () => void>();
  private failed = new Map<string, number>();
  /** Calls whose last events are to be requested again. */
  private recheck = new Set<string>();
  /** The calls that the main socket has sent events of since it was opened. */
  private heardFrom = new Set<string>();
  private unsubscribe: (() => void) | undefined;
  private readonly store: CallStore;
  private readonly dependencies: Dependencies;

  constructor(store: CallStore, dependencies: Dependencies) {
    this.store = store;
    this.dependencies = dependencies;
  }

  start(): void {
    if (!this.stopped) return;
    this.stopped = false;
    this.unsubscribe = this.store.onGap((callSid) => this.replay(callSid, false));
    this.set({ state: "connecting", since: 0, retryAt: 0 });
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.retry);
    this.heartbeat?.stop();
    this.unsubscribe?.();
    this.stopReplays();
    const socket = this.socket;
    this.socket = undefined;
    socket?.close();
  }

  /** Fetches a call's past if it is not complete, ended or not. */
  want(callSid: string): void {
    if (this.complete(callSid)) return;
    this.failed.delete(callSid);
    this.replay(callSid, true);
  }

  /** Tries again at once instead of when it is due. */
  reconnect(): void {
    if (this.connection.state !== "stale" || this.stopped) return;
    clearTimeout(this.retry);
    this.connect();
  }

  /** Checks at once whether the main socket is still alive. */
  check(): void {
    this.heartbeat?.check();
  }

  /** The socket is dead. Its `close` event is not waited for, as it may take minutes. */
  private giveUp(socket: SocketLike): void {
    if (this.socket !== socket || this.stopped) return;
    this.socket = undefined;
    socket.close();
    // The connection has been silent since then.
    void this.lost(this.heartbeat?.receivedAt);
  }

  current = (): Connection => this.connection;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  private connect(): void {
    const before = this.socket;
    const socket = this.dependencies.open({});
    this.socket = socket;
    // An earlier socket that is still connecting is abandoned.
    before?.close();
    const limit = setTimeout(() => this.giveUp(socket), OPENING_MS);
    socket.onopen = () => {
      clearTimeout(limit);
      if (this.socket !== socket) return;
      this.tries = 0;
      this.heartbeat = new HeartbeatMonitor({
        now: this.dependencies.now,
        send: () => socket.send(HEARTBEAT),
        onDead: () => this.giveUp(socket),
      });
      this.heartbeat.send();
      this.set({ state: "live", since: 0, retryAt: 0 });
      this.heardFrom.clear();
      void this.catchUp(socket);
    };
    socket.onmessage = (message) => {
      if (this.socket !== socket) return;
      this.heartbeat?.received();
      const event = parsed(message);
      if (!event) return this.tellTime(message.data);
      this.heardFrom.add(event.callSid);
      this.store.receive(event);
    };
    socket.onclose = () => {
      clearTimeout(limit);
      if (this.socket === socket && !this.stopped) void this.lost();
    };
  }

  private tellTime(data: unknown): void {
    const at = heartbeatTime(data);
    if (at !== undefined) this.dependencies.serverTime(at);
  }

  private async lost(unseenSince = this.dependencies.now()): Promise<void> {
    this.socket = undefined;
    this.heartbeat?.stop();
    this.heartbeat = undefined;
    this.stopReplays();
    const wait = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.tries);
    this.tries += 1;
    const jittered = wait * (0.75 + this.dependencies.random() / 2);
    const since = this.connection.since || unseenSince;
    this.set({ state: "stale", since, retryAt: this.dependencies.now() + jittered });
    this.store.connectionLost();
    this.retry = setTimeout(() => {
      // A refused socket gives no reason; the probe does, and logs the page out if need be.
      this.dependencies.probe().then(
        (known) => {
          if (known && !this.stopped && this.socket === undefined) this.connect();
        },
        () => {
          if (!this.stopped && this.socket === undefined) void this.lost();
        },
      );
    }, jittered);
  }

  /** Fills in what the main socket does not send: the past of live calls, and gaps. */
  private async catchUp(socket: SocketLike): Promise<void> {
    const known = this.store.live().map((call) => call.callSid);
    let live: string[] = [];
    try {
      live = await this.dependencies.liveCalls();
    } catch {
      // The list is only a hint: a live call appears with its next event.
    }
    await new Promise((done) => setTimeout(done, SETTLE_MS));
    if (this.socket !== socket) return;
    for (const callSid of live) if (!this.complete(callSid)) this.replay(callSid, false);
    // A call without events since then has ended meanwhile, or is silent. Its last events are
    // requested again: a server that was killed may not have stored them.
    for (const callSid of known) {
      if (this.heardFrom.has(callSid)) continue;
      this.recheck.add(callSid);
      this.replay(callSid, false);
    }
  }

  /** Whether a call is complete from its first event on. */
  private complete(callSid: string): boolean {
    const call = this.store.get(callSid);
    return call !== undefined && call.seq > 0 && !hasGap(call);
  }

  private replay(callSid: string, first: boolean): void {
    if (this.stopped || this.running.has(callSid)) return;
    if ((this.failed.get(callSid) ?? 0) >= REPLAY_TRIES) return;
    this.queue = this.queue.filter((other) => other !== callSid);
    if (first) this.queue.unshift(callSid);
    else this.queue.push(callSid);
    this.next();
  }

  private next(): void {
    while (this.connection.state === "live" && this.running.size < REPLAYS_AT_ONCE) {
      const callSid = this.queue.shift();
      if (callSid === undefined) return;
      this.runReplay(callSid);
    }
  }

  private runReplay(callSid: string): void {
    const known = this.store.known(callSid);
    const after = this.recheck.delete(callSid) ? Math.max(0, known - OVERLAP) : known;
    const socket = this.dependencies.open(after > 0 ? { callSid, after: `${after}` } : { callSid });
    let opened = false;
    let quiet = setTimeout(() => socket.close(), OPENING_MS);
    const rest = () => {
      clearTimeout(quiet);
      quiet = setTimeout(() => socket.close(), QUIET_MS);
    };
    socket.onopen = () => {
      opened = true;
      rest();
    };
    socket.onmessage = (message) => {
      const event = parsed(message);
      // Events without a number come over the main socket; here they would be duplicates.
      if (event?.callSid !== callSid || event.seq === undefined) return;
      rest();
      this.store.receive(event);
      if (event.type === "session_end") socket.close();
    };
    socket.onclose = () => {
      clearTimeout(quiet);
      if (this.running.get(callSid) !== abandon) return;
      this.running.delete(callSid);
      const gap = this.store.isIncomplete(callSid);
      if (opened && !gap) this.failed.delete(callSid);
      else this.failed.set(callSid, (this.failed.get(callSid) ?? 0) + 1);
      // The gap may have opened during this replay.
      if (gap) this.replay(callSid, false);
      this.next();
    };
    const abandon = () => socket.close();
    this.running.set(callSid, abandon);
  }

  private stopReplays(): void {
    const running = [...this.running.values()];
    this.running.clear();
    this.queue = [];
    this.recheck.clear();
    this.failed.clear();
    for (const abandon of running) abandon();
  }

  private set(connection: Connection): void {
    this.connection = connection;
    for (const listener of this.listeners) listener();
  }
}

function parsed(message: { data: unknown }): CallEvent | undefined {
  return typeof message.data === "string" ? parseEvent(message.data) : undefined;
}
