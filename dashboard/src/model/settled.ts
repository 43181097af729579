/** How a question or a held reply was settled. Two supervisors may act at the same moment. */
import type { Call, Note } from "./call";

export interface Settled {
  how: "answered" | "unanswered" | "approved" | "rejected";
  /** `supervisor`, or `policy` if a time limit decided. */
  by: string;
  text: string;
  at: number;
}

/** How the question with this sequence number was settled; `undefined` while it waits. */
export function settledQuestion(call: Call, seq: number | undefined): Settled | undefined {
  const notes = notesOf(call);
  // Questions are answered in the order in which they were asked.
  const asked = notes.filter(({ event }) => event.type === "query");
  const answers = notes.filter(({ event }) => event.type === "query_response");
  const answer = answers[asked.findIndex((note) => note.seq === seq)];
  if (answer?.event.type !== "query_response") return undefined;
  const { answered, text, by = "" } = answer.event;
  return { how: answered === false ? "unanswered" : "answered", by, text, at: answer.at };
}

/** How the held reply of this turn was settled; `undefined` while it waits. */
export function settledReply(call: Call, turn: number | undefined): Settled | undefined {
  const notes = notesOf(call);
  const held = notes.findLastIndex(
    ({ event }) => event.type === "pending_response" && event.turn === turn,
  );
  if (held < 0) return undefined;
  for (const { event, at } of notes.slice(held)) {
    const by = event.by ?? "";
    if (event.type === "response_approved") return { how: "approved", by, text: event.text, at };
    if (event.type === "response_rejected") {
      return { how: "rejected", by, text: event.reason ?? event.text, at };
    }
  }
  return undefined;
}

function notesOf(call: Call): Note[] {
  return call.items.filter((item) => item.kind === "note");
}
