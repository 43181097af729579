/**
 * All calls that the page knows. Events are collected and applied in batches, so that two hundred
 * calls that stream words cost a few re-renders a second. Each row subscribes to its own call.
 */
import type { CallEvent } from "../api/events";
import { type Call, hasGap, isLive, newCall } from "../model/call";
import { afterGap, applyAll, contradicts } from "../model/reducer";

type Listener = () => void;

export interface Options {
  /** Schedules a batch; by default 50 ms later. */
  later?: (run: () => void) => void;
  /** How many ended calls are kept. */
  keepEnded?: number;
}

/** How long one batch may take, in milliseconds: a long replay must not block the page. */
const BATCH_MS = 8;
/** How many events are applied between two looks at the clock. */
const SLICE = 32;

export class CallStore {
  private calls = new Map<string, Call>();
  /** Calls whose past turned out to be different, rebuilt here until they are complete. */
  private rebuilding = new Map<string, Call>();
  private queue: CallEvent[] = [];
  private scheduled = false;
  private perCall = new Map<string, Set<Listener>>();
  private all = new Set<Listener>();
  private gaps = new Set<(callSid: string) => void>();
  private readonly later: (run: () => void) => void;
  private readonly keepEnded: number;

  constructor(options: Options = {}) {
    this.later = options.later ?? ((run) => setTimeout(run, 50));
    this.keepEnded = options.keepEnded ?? 300;
  }

  receive(event: CallEvent): void {
    this.queue.push(event);
    this.schedule();
  }

  get(callSid: string): Call | undefined {
    return this.calls.get(callSid);
  }

  /** The number up to which a call has no gap, including what is being rebuilt. */
  known(callSid: string): number {
    return this.newest(callSid).seq;
  }

  /** Whether events of a call are missing, including what is being rebuilt. */
  isIncomplete(callSid: string): boolean {
    return hasGap(this.newest(callSid));
  }

  values(): IterableIterator<Call> {
    return this.calls.values();
  }

  live(): Call[] {
    return [...this.calls.values()].filter(isLive);
  }

  /** The connection was lost for a while: words were missed. */
  connectionLost(): void {
    for (const [callSid, call] of this.calls) this.put(callSid, afterGap(call));
    this.changed();
  }

  subscribe(callSid: string, listener: Listener): () => void {
    const set = this.perCall.get(callSid) ?? new Set();
    this.perCall.set(callSid, set.add(listener));
    return () => {
      set.delete(listener);
      if (set.size === 0) this.perCall.delete(callSid);
    };
  }

  subscribeAll(listener: Listener): () => void {
    this.all.add(listener);
    return () => this.all.delete(listener);
  }

  /** Calls back with a call whose numbers have a gap, once after each batch that leaves one. */
  onGap(listener: (callSid: string) => void): () => void {
    this.gaps.add(listener);
    return () => this.gaps.delete(listener);
  }

  clear(): void {
    this.calls.clear();
    this.rebuilding.clear();
    this.queue = [];
    this.changed();
    for (const set of this.perCall.values()) for (const listener of set) listener();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.later(() => this.flush());
  }

  private flush(): void {
    this.scheduled = false;
    const end = performance.now() + BATCH_MS;
    const touched = new Map<string, Call>();
    let at = 0;
    while (at < this.queue.length && (at === 0 || performance.now() < end)) {
      const slice = this.queue.slice(at, at + SLICE);
      at += slice.length;
      for (const [callSid, events] of groupByCall(slice)) {
        const call = touched.get(callSid) ?? this.newest(callSid);
        touched.set(callSid, this.applied(call, events));
      }
    }
    this.queue.splice(0, at);
    for (const [callSid, call] of touched) {
      if (this.rebuilding.has(callSid) && hasGap(call)) this.rebuilding.set(callSid, call);
      else {
        this.rebuilding.delete(callSid);
        this.put(callSid, call);
      }
      if (hasGap(call)) for (const listener of this.gaps) listener(callSid);
    }
    this.forget();
    this.changed();
    if (this.queue.length > 0) this.schedule();
  }

  private newest(callSid: string): Call {
    return this.rebuilding.get(callSid) ?? this.calls.get(callSid) ?? newCall(callSid);
  }

  private applied(call: Call, events: CallEvent[]): Call {
    if (!events.some((event) => contradicts(call, event))) return applyAll(call, events);
    const fresh = newCall(call.callSid);
    this.rebuilding.set(call.callSid, fresh);
    return applyAll(fresh, events);
  }

  private put(callSid: string, call: Call): void {
    if (this.calls.get(callSid) === call) return;
    this.calls.set(callSid, call);
    for (const listener of this.perCall.get(callSid) ?? []) listener();
  }

  private changed(): void {
    for (const listener of this.all) listener();
  }

  /** Drops the calls that ended first, except those a component is subscribed to. */
  private forget(): void {
    if (this.calls.size <= this.keepEnded) return;
    const ended = [...this.calls.values()]
      .filter((call) => call.phase === "ended" && !this.perCall.has(call.callSid))
      .sort((a, b) => a.endedAt - b.endedAt);
    for (const call of ended.slice(0, Math.max(0, ended.length - this.keepEnded))) {
      this.calls.delete(call.callSid);
    }
  }
}

function groupByCall(events: CallEvent[]): Map<string, CallEvent[]> {
  const grouped = new Map<string, CallEvent[]>();
  for (const event of events) {
    const list = grouped.get(event.callSid);
    if (list) list.push(event);
    else grouped.set(event.callSid, [event]);
  }
  return grouped;
}
