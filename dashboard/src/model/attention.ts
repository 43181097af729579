/** Who needs a human, why, and how urgently: a pure function of a call and the time. */
import type { Call, Item } from "./call";
import { LATENCY_BUDGET_MS, turnLatency } from "./latency";

export type ReasonKind =
  | "question"
  | "reply"
  | "abandoned"
  | "unanswered"
  | "human"
  | "misunderstood"
  | "silence"
  | "latency"
  | "fault";

export interface Reason {
  kind: ReasonKind;
  /** Since when, in milliseconds since 1970; 0 where no age is meant. */
  since: number;
}

/** A higher weight comes first in the list. The first four keep a caller waiting. */
const WEIGHT: Record<ReasonKind, number> = {
  question: 1_000,
  reply: 1_000,
  abandoned: 1_000,
  unanswered: 1_000,
  human: 400,
  fault: 300,
  misunderstood: 200,
  silence: 100,
  latency: 50,
};

/** How often a caller may speak without an answer before a supervisor should look. */
const UNANSWERED = 3;
const SILENCE_MS = 15_000;
const RECENT_FAULT_MS = 60_000;
/** How many of the newest turns are examined. */
const RECENT_TURNS = 6;

const WANTS_HUMAN =
  /\b(human|real person|actual person|live agent|representative|operator|supervisor|manager|speak (?:to|with) (?:a |some)(?:one|body|person))\b/i;
const NOT_UNDERSTOOD =
  /\b(didn.t (?:quite )?(?:catch|get|understand|hear)|could you (?:please )?(?:repeat|rephrase|say that again)|say that again|not sure i (?:understand|follow)|come again|pardon)\b/i;

export function reasons(call: Call, now: number): Reason[] {
  if (call.phase === "ended" || call.seq === 0) return [];
  const found: Reason[] = [];
  if (call.question) found.push({ kind: "question", since: call.question.since });
  if (call.reply) found.push({ kind: "reply", since: call.reply.since });
  if (call.unattended) found.push({ kind: "abandoned", since: call.unattended.since });
  if (isUnanswered(call)) found.push({ kind: "unanswered", since: call.unanswered.since });
  if (call.takenOver) return found;

  const turns = recentTurns(call.items);
  const wish = turns.find((turn) => turn.who === "caller" && WANTS_HUMAN.test(turn.text));
  if (wish) found.push({ kind: "human", since: wish.at });
  if (turns.filter((turn) => NOT_UNDERSTOOD.test(turn.text)).length >= 2) {
    found.push({ kind: "misunderstood", since: 0 });
  }
  if (call.fault && now - call.fault.at < RECENT_FAULT_MS) {
    found.push({ kind: "fault", since: call.fault.at });
  }
  if (call.phase === "listening" && now - call.lastEventAt > SILENCE_MS) {
    found.push({ kind: "silence", since: call.lastEventAt });
  }
  const last = turnLatency(call.latency[call.lastLatencyTurn]);
  if (last !== undefined && last > LATENCY_BUDGET_MS) found.push({ kind: "latency", since: 0 });
  return found;
}

/** Whether the caller waits for a supervisor. */
export function waits(call: Call): boolean {
  return call.question !== undefined || call.reply !== undefined || isCallerAlone(call);
}

/** Whether nobody speaks with the caller: the takeover's holder is away, or nobody answers. */
export function isCallerAlone(call: Call): boolean {
  return call.unattended !== undefined || isUnanswered(call);
}

/** Whether the caller has spoken several times without an answer. */
export function isUnanswered(call: Call): boolean {
  return call.phase !== "ended" && call.unanswered.times >= UNANSWERED;
}

/** Calls that need a human first, the longest wait first among them; then the longest calls. */
export function byAttention(calls: readonly Call[], now: number): Call[] {
  return calls
    .map((call) => ({ call, weight: weight(call, now), since: waitingSince(call) }))
    .sort(
      (a, b) =>
        b.weight - a.weight ||
        a.since - b.since ||
        a.call.startedAt - b.call.startedAt ||
        (a.call.callSid < b.call.callSid ? -1 : 1),
    )
    .map((entry) => entry.call);
}

/** Since when the caller has waited for a supervisor; infinity if they do not. */
export function waitingSince(call: Call): number {
  return Math.min(
    call.question?.since ?? Number.POSITIVE_INFINITY,
    call.reply?.since ?? Number.POSITIVE_INFINITY,
    call.unattended?.since ?? Number.POSITIVE_INFINITY,
    isUnanswered(call) ? call.unanswered.since : Number.POSITIVE_INFINITY,
  );
}

/** Whether a reason means that a caller waits for a supervisor. */
export function isUrgent(kind: ReasonKind): boolean {
  return WEIGHT[kind] >= WEIGHT.question;
}

function weight(call: Call, now: number): number {
  return Math.max(0, ...reasons(call, now).map((reason) => WEIGHT[reason.kind]));
}

function recentTurns(items: readonly Item[]) {
  const turns = [];
  for (let at = items.length - 1; at >= 0 && turns.length < RECENT_TURNS; at -= 1) {
    const item = items[at];
    if (item?.kind === "turn") turns.push(item);
  }
  return turns;
}
