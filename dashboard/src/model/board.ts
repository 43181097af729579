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
/** The figure is that of so many turns, those of the calls in which something happened last. */
const TURNS = 200;
const TURNS_OF_A_CALL = 20;

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
  const delays: { at: number; ms: number }[] = [];
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
      if (call.lastLatencyTurn > 0 && result.model !== "trouble") result.model = "good";
    }
    if (call.fault && now - call.fault.at < RECENT_MS) {
      const part = culprit(call.fault.where);
      if (part) result[part] = "trouble";
    }
    for (const ms of newest(call)) delays.push({ at: call.lastEventAt, ms });
  }
  delays.sort((a, b) => b.at - a.at);
  result.p95 = percentile(
    delays.slice(0, TURNS).map(({ ms }) => ms),
    0.95,
  );
  return result;
}

/** The latencies of a call's newest turns, however many it has had. */
function newest(call: Call): number[] {
  const found: number[] = [];
  const last = call.lastLatencyTurn;
  for (let turn = last; turn > last - TURNS_OF_A_CALL; turn -= 1) {
    const ms = turnLatency(call.latency[turn]);
    if (ms !== undefined) found.push(ms);
  }
  return found;
}

export type Part = "model" | "carrier" | "store";

/**
 * The parts' conditions with what the server says of itself: it is not ready because of one, or its
 * doctor has found something. What calls have shown in the last minutes is newer than the doctor.
 */
export function conditions(
  seen: Record<Part, Condition>,
  notReady: string,
  findings: readonly { id: string; level: "ok" | "warn" | "fail" }[],
): Record<Part, Condition> {
  const result = { ...seen };
  for (const { id, level } of findings) {
    const part = culprit(id);
    if (part === undefined || seen[part] !== "unknown") continue;
    if (level === "fail") result[part] = "trouble";
    else if (result[part] === "unknown") result[part] = "good";
  }
  const blamed = culprit(notReady);
  if (blamed) result[blamed] = "trouble";
  return result;
}

/** Which part an error's `where`, a finding's id or a reason means. */
function culprit(where: string): Part | undefined {
  if (/model|openai|realtime/i.test(where)) return "model";
  if (/store|redis|sqlite|database|disk|data_folder|do.not.call/i.test(where)) return "store";
  if (/carrier|twilio|relay|media|number|public|signed|socket|webhook/i.test(where)) {
    return "carrier";
  }
  return undefined;
}
