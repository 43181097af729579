/** The figures of the strip above the wallboard. */
import { waitingSince, waits } from "./attention";
import { type Call, isLive } from "./call";
import { percentile, turnLatency } from "./latency";

export type Condition = "good" | "trouble" | "unknown";

export interface Board {
  live: number;
  waiting: number;
  /** Since when the oldest waits; infinite if nothing waits. */
  oldest: number;
  today: number;
  costToday: number;
  p95: number | undefined;
  model: Condition;
  carrier: Condition;
  store: Condition;
}

const RECENT_MS = 5 * 60_000;
const TURNS = 200;

export function board(calls: Iterable<Call>, now: number): Board {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const result: Board = {
    live: 0,
    waiting: 0,
    oldest: Number.POSITIVE_INFINITY,
    today: 0,
    costToday: 0,
    p95: undefined,
    model: "unknown",
    carrier: "unknown",
    store: "unknown",
  };
  const delays: number[] = [];
  for (const call of calls) {
    if (call.seq === 0) continue;
    if (isLive(call)) result.live += 1;
    if (waits(call)) result.waiting += 1;
    result.oldest = Math.min(result.oldest, waitingSince(call));
    if (call.startedAt >= midnight) {
      result.today += 1;
      result.costToday += call.costUsd;
    }
    if (now - call.lastEventAt < RECENT_MS) {
      result.carrier = result.carrier === "trouble" ? "trouble" : "good";
      result.store = result.store === "trouble" ? "trouble" : "good";
      if (Object.keys(call.latency).length > 0 && result.model !== "trouble") result.model = "good";
    }
    if (call.fault && now - call.fault.at < RECENT_MS) {
      const part = culprit(call.fault.where);
      if (part) result[part] = "trouble";
    }
    for (const stages of Object.values(call.latency)) {
      const ms = turnLatency(stages);
      if (ms !== undefined) delays.push(ms);
    }
  }
  result.p95 = percentile(delays.slice(-TURNS), 0.95);
  return result;
}

/** Which part an error's `where` means. */
function culprit(where: string): "model" | "carrier" | "store" | undefined {
  if (/model|openai|realtime/i.test(where)) return "model";
  if (/carrier|twilio|relay|media/i.test(where)) return "carrier";
  if (/store|redis|sqlite|database/i.test(where)) return "store";
  return undefined;
}
