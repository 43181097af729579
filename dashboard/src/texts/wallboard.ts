/** The wallboard, and what every list of calls says of a call. */
import type { ReasonKind } from "../model/attention";
import type { Phase } from "../model/call";
import { age, delay } from "../model/format";
import { count } from "./count";

export const wallboardTexts = {
  board: {
    live: "Live calls",
    needs: "Needs a human",
    oldest: (ms: number) => `oldest ${age(ms)}`,
    none: "nothing waits",
    today: "Calls today",
    cost: "Cost today",
    p95: "Latency p95",
    noLatency: "no turns yet",
    budget: (ms: number) => `budget ${delay(ms)}`,
    health: "Health",
    parts: { model: "Model", carrier: "Carrier", store: "Store" },
    condition: { good: "working", trouble: "in trouble", unknown: "not seen yet" },
    quiet: "All quiet",
    quietLead: "No call is live. The next one appears here by itself.",
    quietSteps: [
      "Call your number, or place a call from here.",
      "No phone at hand? Be the caller yourself with the softphone, or “phony talk” in a terminal.",
      "“phony demo” plays a whole call, without an account.",
    ],
    setUp: "To set up",
    allSetUp: "Everything is set up.",
    place: "New call",
    tryIt: "Softphone",
    seeHealth: "Check the set-up",
    nothingNeeded: "Nobody is waiting for you.",
    more: (n: number) => `${count(n, "more call waits", "more calls wait")} in the list below`,
  },
  columns: {
    call: "Call",
    agent: "Agent",
    phase: "Phase",
    last: "Last words",
    length: "Length",
  },
  direction: { inbound: "inbound", outbound: "outbound", other: "call" },
  phase: {
    starting: "Starting",
    listening: "Listening",
    caller: "Caller speaks",
    thinking: "AI thinks",
    speaking: "AI speaks",
    waiting: "On hold for you",
    human: "Human speaks",
    transferred: "Transferred",
    ended: "Ended",
  } satisfies Record<Phase, string>,
  reason(kind: ReasonKind, ms: number): string {
    const words: Record<ReasonKind, string> = {
      question: `question waiting ${age(ms)}`,
      reply: `reply held ${age(ms)}`,
      abandoned: `left alone by whoever took over ${age(ms)} ago`,
      unanswered: `caller unanswered for ${age(ms)}`,
      human: "asks for a human",
      misunderstood: "repeated misunderstanding",
      silence: `silent for ${age(ms)}`,
      latency: "slow answers",
      fault: "model trouble",
    };
    return words[kind];
  },
  unknownNumber: "Unknown number",
  noAgent: "–",
};
