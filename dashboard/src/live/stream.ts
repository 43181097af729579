/**
 * The page's one event socket, kept open. It carries every live call's events from the first on, and
 * then as they happen; what it leaves out (the past of ended calls, the end of those that ended while
 * it was down, what a gap swallowed) is read call by call over short-lived sockets with `after=`, a
 * few at a time. Numbers make the two meet without loss or doubling (see `model/call`).
 */
import { type CallEvent, parseEvent } from "../api/events";
import { hasGap } from "../model/call";
import { HEARTBEAT, HeartbeatMonitor, heartbeatTime } from "./heartbeat";
import type { CallStore } from "./store";

/** What is needed of a `WebSocket`; the page with recorded events brings its own. */
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
  /** When it is tried again; 0 unless stale. */
  retryAt: number;
}

export interface Dependencies {
  open: (query: Record<string, string>) => SocketLike;
  /** The ids of the calls that are live, as far as the server tells. */
  liveCalls: () => Promise<string[]>;
  /** Whether the server still answers and still knows us; false once logged out. */
  probe: () => Promise<boolean>;
  /** Milliseconds by a clock that nobody sets. */
  now: () => number;
  /** Takes the server's time, whenever it tells it. */
  serverTime: (at: number) => void;
  random: () => number;
}

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;
/** A socket that neither opens nor fails is given up. */
const OPENING_MS = 8_000;
/** A replay is over when nothing has come for so long: from then on the one socket has it all. */
const QUIET_MS = 500;
/** A server that replays live calls on the one socket by itself is given so long to do it. */
const SETTLE_MS = 300;
const REPLAYS_AT_ONCE = 16;
const REPLAY_TRIES = 4;
/** So many events that are here already are told again after the connection was lost. */
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
  /** Calls of which the last events are asked for once more. */
  private doubted = new Set<string>();
  /** The calls of which the one socket has told since it is open. */
  private spoken = new Set<string>();
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

  /** Sees to it that a call's past is here, ended or not. */
  want(callSid: string): void {
    if (this.complete(callSid)) return;
    this.failed.delete(callSid);
    this.replay(callSid, true);
  }

  /** Tries at once instead of at the next appointed time. */
  reconnect(): void {
    if (this.connection.state !== "stale" || this.stopped) return;
    clearTimeout(this.retry);
    this.connect();
  }

  /** Looks at once whether the one socket still brings anything. */
  check(): void {
    this.heartbeat?.check();
  }

  /** It is onDead: its end is not waited for, since a dead one does not come to it for a long time. */
  private giveUp(socket: SocketLike): void {
    if (this.socket !== socket || this.stopped) return;
    this.socket = undefined;
    socket.close();
    // Nothing has been seen since then.
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
    // One that is still trying has been tried long enough.
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
      this.spoken.clear();
      void this.catchUp(socket);
    };
    socket.onmessage = (message) => {
      if (this.socket !== socket) return;
      this.heartbeat?.received();
      const event = parsed(message);
      if (!event) return this.tellTime(message.data);
      this.spoken.add(event.callSid);
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
      // A refused socket does not say why; the probe does, and logs the page out if it must.
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

  /** Fills in what the one socket did not bring: live calls' past, and what a gap swallowed. */
  private async catchUp(socket: SocketLike): Promise<void> {
    const known = this.store.live().map((call) => call.callSid);
    let live: string[] = [];
    try {
      live = await this.dependencies.liveCalls();
    } catch {
      // The list is only a hint: a live call shows itself with its next event.
    }
    await new Promise((done) => setTimeout(done, SETTLE_MS));
    if (this.socket !== socket) return;
    for (const callSid of live) if (!this.complete(callSid)) this.replay(callSid, false);
    // What the one socket has not spoken of since has ended meanwhile, or is silent.
    // What was told last is asked for once more: a server that was killed may not have kept it.
    for (const callSid of known) {
      if (this.spoken.has(callSid)) continue;
      this.doubted.add(callSid);
      this.replay(callSid, false);
    }
  }

  /** Whether everything from a call's first event on is here. */
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
    const after = this.doubted.delete(callSid) ? Math.max(0, known - OVERLAP) : known;
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
      // Words without a number come over the one socket; here they would be doubled.
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
      // The hole may have opened while this was under way.
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
    this.doubted.clear();
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
