/** What a call came to, counted from its events. */
import type { Call, Item } from "./call";

export interface Summary {
  callerTurns: number;
  aiTurns: number;
  interruptions: number;
  questions: number;
  /** Questions that a supervisor answered. */
  answered: number;
  /** Held replies that were sent, edited or not, and that were rejected. */
  approved: number;
  rejected: number;
  /** Words of a supervisor that the caller heard. */
  said: number;
  takeovers: number;
  whispers: number;
  transferredTo: string;
  faults: number;
}

export function summary(call: Call): Summary {
  const turns = call.items.filter((item) => item.kind === "turn");
  const events = call.items.flatMap((item: Item) => (item.kind === "note" ? [item.event] : []));
  const count = (type: string) => events.filter((event) => event.type === type).length;
  const transfer = events.findLast((event) => event.type === "session_transfer");
  return {
    callerTurns: turns.filter((turn) => turn.who === "caller").length,
    aiTurns: turns.filter((turn) => turn.who === "ai").length,
    interruptions: turns.filter((turn) => turn.interrupted).length,
    questions: count("query"),
    answered: events.filter((event) => event.type === "query_response" && event.answered !== false)
      .length,
    approved: count("response_approved"),
    rejected: count("response_rejected"),
    said: turns.filter((turn) => turn.who === "supervisor").length,
    takeovers: count("takeover"),
    whispers: count("whisper"),
    transferredTo: transfer?.type === "session_transfer" ? transfer.target : "",
    faults: count("error"),
  };
}
