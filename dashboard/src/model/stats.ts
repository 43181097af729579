/** The figures above the wallboard. */
import { waitingSince, waits } from "./attention";
import { type Call, isLive } from "./call";
import { percentile, turnLatency } from "./latency";

export type Condition = "good" | "trouble" | "unknown";

export interface Stats {
  live: number;
  waiting: number;
  /** Since when the oldest has waited; infinite if nothing waits. */
  oldest: number;
  today: number;
  costToday: number;
  p95: number | undefined;
  model: Condition;
  carrier: Condition;
  store: Condition;
}

const RECENT_MS = 5 * 60_000;
/** How many turns the percentile is taken of: those of the calls with the newest events. */
const TURNS = 200;
const TURNS_OF_A_CALL = 20;

export function stats(calls: Iterable<Call>, now: number): Stats {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const result: Stats = {
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
      const subsystem = subsystemOf(call.fault.where);
      if (subsystem) result[subsystem] = "trouble";
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

export type Subsystem = "model" | "carrier" | "store";

/**
 * The subsystems' conditions, completed by what the server says of itself: the reason why it is not
 * ready, and the doctor's findings. What calls have shown in the last minutes is newer than those.
 */
export function conditions(
  seen: Record<Subsystem, Condition>,
  notReady: string,
  findings: readonly { id: string; level: "ok" | "warn" | "fail" }[],
): Record<Subsystem, Condition> {
  const result = { ...seen };
  for (const { id, level } of findings) {
    const subsystem = subsystemOf(id);
    if (subsystem === undefined || seen[subsystem] !== "unknown") continue;
    if (level === "fail") result[subsystem] = "trouble";
    else if (result[subsystem] === "unknown") result[subsystem] = "good";
  }
  const blamed = subsystemOf(notReady);
  if (blamed) result[blamed] = "trouble";
  return result;
}

/** The subsystem that an error's `where`, a finding's id or a reason refers to. */
function subsystemOf(where: string): Subsystem | undefined {
  if (/model|openai|realtime/i.test(where)) return "model";
  if (/store|redis|sqlite|database|disk|data_folder|do.not.call/i.test(where)) return "store";
  if (/carrier|twilio|relay|media|number|public|signed|socket|webhook/i.test(where)) {
    return "carrier";
  }
  return undefined;
}
