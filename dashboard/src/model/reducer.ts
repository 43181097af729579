/**
 * Applies events to a call: a pure function. Numbered events count once and in order, whatever order
 * they arrive in, so several sources (the live socket, a replay after a lost connection) can feed the
 * same call without loss or duplicates.
 */
import type { AssistantResponse, CallEvent, HeldCommand } from "../api/events";
import {
  afterHeard,
  type Call,
  type Draft,
  type Item,
  type Phase,
  type Turn,
  type Waiting,
} from "./call";

/** The call after these events. The same object if they changed nothing. */
export function applyAll(call: Call, events: readonly CallEvent[]): Call {
  const batch = new Batch();
  return events.reduce((before, event) => step(before, event, batch), call);
}

export function apply(call: Call, event: CallEvent): Call {
  return applyAll(call, [event]);
}

/**
 * The lists and tables copied while one batch of events is applied. Nobody else has them yet, so they
 * may be added to; what was there before the batch is never touched. A long call comes in thousands
 * of events, and a copy for each would take quadratic time.
 */
class Batch {
  private readonly copies = new WeakSet<object>();

  append<T>(list: T[], item: T): T[] {
    if (this.copies.has(list)) {
      list.push(item);
      return list;
    }
    const copy = [...list, item];
    this.copies.add(copy);
    return copy;
  }

  set<T>(table: Record<number, T>, key: number, value: T): Record<number, T> {
    const copy = this.copies.has(table) ? table : { ...table };
    this.copies.add(copy);
    copy[key] = value;
    return copy;
  }
}

function step(call: Call, event: CallEvent, batch: Batch): Call {
  if (event.seq === undefined) return call.phase === "ended" ? call : live(call, event);
  if (event.seq <= call.seq) return call;
  if (event.seq > call.seq + 1) return keepEarly(call, event, batch);
  let next = numbered(call, event, batch);
  let applied = 0;
  for (let first = next.early[0]; first?.seq === next.seq + 1; first = next.early[applied]) {
    next = numbered(next, first, batch);
    applied += 1;
  }
  return applied === 0 ? next : { ...next, early: next.early.slice(applied) };
}

/**
 * Whether an event's number belonged to another event before. A server that was killed may have sent
 * events it had not stored yet; the server that continues the call numbers on from what was stored.
 */
export function contradicts(call: Call, event: CallEvent): boolean {
  return (
    event.seq !== undefined &&
    event.seq <= call.seq &&
    call.fingerprints[event.seq - 1] !== fingerprint(event)
  );
}

function fingerprint(event: CallEvent): string {
  return `${event.type} ${event.timestamp}`;
}

/** The connection is back after a gap: words were lost, so drafts have lost their beginning. */
export function afterGap(call: Call): Call {
  if (call.hearing === "" && call.draft === undefined) return call;
  return {
    ...call,
    hearing: "",
    draft: call.draft && { ...call.draft, beginningMissed: true },
  };
}

function keepEarly(call: Call, event: CallEvent, batch: Batch): Call {
  const { early } = call;
  const seq = event.seq ?? 0;
  const last = early.at(-1)?.seq ?? 0;
  // They come in order, except where two sources meet.
  if (seq > last) return { ...call, early: batch.append(early, event) };
  const at = early.findIndex((other) => (other.seq ?? 0) >= seq);
  return early[at]?.seq === seq ? call : { ...call, early: early.toSpliced(at, 0, event) };
}

/** Live-only events: words while they are spoken. */
function live(call: Call, event: CallEvent): Call {
  const at = time(event, call);
  if (event.type === "transcript") {
    return { ...enter(call, call.takenOver ? "human" : "caller", at), hearing: event.text };
  }
  if (event.type === "assistant_delta") {
    const same =
      call.draft !== undefined &&
      call.draft.heard === undefined &&
      (event.turn === undefined || event.turn === call.draft.turn);
    const draft: Draft =
      same && call.draft
        ? { ...call.draft, text: call.draft.text + event.text }
        : {
            text: event.text,
            turn: event.turn,
            heard: undefined,
            beginningMissed: false,
            played: "",
          };
    return { ...enter(call, call.takenOver ? "human" : "speaking", at), draft };
  }
  return { ...call, lastEventAt: at };
}

function numbered(before: Call, event: CallEvent, batch: Batch): Call {
  const at = time(event, before);
  const seq = event.seq ?? before.seq;
  const call: Call = {
    ...before,
    seq,
    fingerprints: batch.append(before.fingerprints, fingerprint(event)),
    lastEventAt: at,
  };
  const id = `${seq}`;
  const note = (): Item[] => batch.append<Item>(call.items, { kind: "note", id, seq, at, event });
  const said = (turn: Partial<Turn> & Pick<Turn, "who" | "text">): Item[] =>
    batch.append<Item>(call.items, {
      kind: "turn",
      id,
      seq,
      at,
      unheard: "",
      interrupted: false,
      source: "",
      turn: undefined,
      by: event.by ?? "",
      ...turn,
    });
  /** The phase once nobody speaks and nothing waits. */
  const rest: Phase = call.takenOver ? "human" : "listening";

  switch (event.type) {
    case "session_start":
      return {
        ...enter(call, "starting", at),
        from: event.from,
        to: event.to,
        direction: event.direction,
        agent: event.agent,
        carrier: event.carrier,
        startedAt: call.startedAt || at,
        items: note(),
      };
    case "session_end":
      return {
        ...enter(call, "ended", at),
        endedAt: at,
        endReason: event.reason,
        durationMs: event.durationMs ?? Math.max(0, at - (call.startedAt || at)),
        hearing: "",
        draft: undefined,
        question: undefined,
        queued: [],
        reply: undefined,
        ...FREE,
        unanswered: ANSWERED,
        items: note(),
      };
    case "transcript":
      return {
        ...enter(call, call.takenOver ? "human" : "thinking", at),
        hearing: "",
        // A reply cut off before its first word gets no event of its own.
        draft: call.draft?.heard === undefined ? call.draft : undefined,
        unanswered: event.speaker === "assistant" ? ANSWERED : oneMore(call.unanswered, at),
        items: said({ who: event.speaker === "assistant" ? "ai" : "caller", text: event.text }),
      };
    case "assistant_response": {
      const spoken = {
        text: event.text,
        unheard: unheard(event, call.draft),
        interrupted: event.interrupted,
        source: event.source,
        turn: event.turn,
      };
      const supervisor = event.source === "supervisor";
      return {
        ...enter(call, waitingOr(call, rest), at),
        draft: supervisor ? call.draft : restOfDraft(event, call.draft),
        // A phrase that only fills the time is no answer.
        unanswered: /^(filler|hold)$/.test(event.source) ? call.unanswered : ANSWERED,
        items:
          (supervisor ? corrected(call.items, spoken) : undefined) ??
          said({ who: supervisor ? "supervisor" : "ai", ...spoken }),
      };
    }
    case "assistant_delta":
      return call;
    case "assistant_heard":
      return { ...call, draft: heardSoFar(call.draft, event.text, event.turn) };
    case "connected":
      return call.phase === "starting" ? enter(call, rest, at) : call;
    case "status":
    case "answered_by":
    case "disclosure":
    case "handed_over":
      return { ...call, items: note() };
    case "assistant_override":
      return {
        ...enter(call, call.takenOver ? "human" : "speaking", at),
        unanswered: ANSWERED,
        items: said({ who: "supervisor", text: event.text }),
      };
    case "interrupt":
      return {
        ...enter(call, call.takenOver ? "human" : "caller", at),
        draft: call.draft && { ...call.draft, heard: event.heard },
      };
    case "pending_response":
      return {
        ...enter(call, "waiting", at),
        // The same reply asked for again has waited since it was first held.
        reply: { ...waiting(event, event.turn, at), ...heldBefore(call.reply, event.turn) },
        items: note(),
      };
    case "query":
      return {
        ...enter(call, "waiting", at),
        question: call.question ?? waiting(event, seq, at),
        queued: call.question ? [...call.queued, waiting(event, seq, at)] : call.queued,
        items: note(),
      };
    case "response_approved":
      return { ...enter(call, "speaking", at), reply: undefined, items: note() };
    case "response_rejected":
      return { ...enter(call, "thinking", at), reply: undefined, items: note() };
    case "query_response":
      return {
        ...enter(call, call.queued.length > 0 ? "waiting" : "thinking", at),
        question: call.queued[0] && begun(call.queued[0], at),
        queued: call.queued.slice(1),
        items: note(),
      };
    case "takeover":
      return {
        ...enter(call, "human", at),
        takenOver: true,
        holder: event.holder,
        unattended: undefined,
        draft: undefined,
        items: note(),
      };
    case "takeover_unattended": {
      const until = event.timeoutMs === undefined ? undefined : at + event.timeoutMs;
      return { ...call, unattended: { since: at, until }, items: note() };
    }
    case "takeover_attended":
      return { ...call, unattended: undefined, items: note() };
    case "release":
      return { ...enter(call, "listening", at), ...FREE, items: note() };
    case "session_transfer":
      return { ...enter(call, "transferred", at), items: note() };
    case "latency": {
      const stages = { ...call.latency[event.turn], [event.stage]: event.ms };
      return {
        ...call,
        latency: batch.set(call.latency, event.turn, stages),
        lastLatencyTurn: event.turn,
      };
    }
    case "usage": {
      const tokens = { ...call.tokens };
      for (const [kind, count] of Object.entries(event.tokens)) {
        tokens[kind] = (tokens[kind] ?? 0) + count;
      }
      return { ...call, tokens, costUsd: call.costUsd + event.costUsd };
    }
    case "error":
      return {
        ...call,
        fault: { at, where: event.where, message: event.message, fatal: event.fatal },
        items: note(),
      };
    case "command_executed":
    case "command_rejected":
    case "whisper":
    case "dtmf":
    case "resumed":
    case "unknown":
      return { ...call, items: note() };
  }
}

/** No human has the call. */
const FREE = { takenOver: false, holder: "", unattended: undefined } as const;

const ANSWERED = { times: 0, since: 0 };

function oneMore(before: Call["unanswered"], at: number): Call["unanswered"] {
  return { times: before.times + 1, since: before.times === 0 ? at : before.since };
}

function enter(call: Call, phase: Phase, at: number): Call {
  const since = call.phase === phase ? call.phaseSince : at;
  return { ...call, phase, phaseSince: since, lastEventAt: at };
}

function waitingOr(call: Call, phase: Phase): Phase {
  return call.question || call.reply ? "waiting" : phase;
}

function waiting(
  event: { text: string; timeoutMs?: number; commands: HeldCommand[] },
  reference: number | undefined,
  at: number,
): Waiting {
  const { text, timeoutMs, commands } = event;
  return begun({ reference, text, since: at, until: undefined, timeoutMs, commands }, at);
}

/** Its time limit begins. Older servers send 0 for an unknown limit. */
function begun(waiting: Waiting, at: number): Waiting {
  return { ...waiting, until: waiting.timeoutMs ? at + waiting.timeoutMs : undefined };
}

function heldBefore(before: Waiting | undefined, turn: number | undefined): { since?: number } {
  return before && turn !== undefined && before.reference === turn ? { since: before.since } : {};
}

/** What was written but not heard, as the server tells it, or else as the page saw it. */
function unheard(event: AssistantResponse, draft: Draft | undefined): string {
  if (!event.interrupted) return "";
  const written = event.generated.replace(/\[\[[^\]]*(\]\]?)?/g, "").trimEnd();
  if (written !== "") return afterHeard(written, event.text);
  return draft === undefined || draft.beginningMissed ? "" : afterHeard(draft.text, event.text);
}

/** A page opened while a reply is spoken has not seen it grow, so it shows what was heard of it. */
function heardSoFar(
  draft: Draft | undefined,
  played: string,
  turn: number | undefined,
): Draft | undefined {
  if (draft?.heard !== undefined) return draft;
  if (draft && draft.text.length >= played.length) return { ...draft, played };
  return {
    text: played,
    turn: turn ?? draft?.turn,
    heard: undefined,
    beginningMissed: false,
    played,
  };
}

/** The reply may follow a filler before that has been played; the reply then stays a draft. */
function restOfDraft(event: AssistantResponse, draft: Draft | undefined): Draft | undefined {
  if (event.interrupted || !draft?.text.startsWith(event.text)) return undefined;
  const text = draft.text.slice(event.text.length).trimStart();
  return text === "" ? undefined : { ...draft, text };
}

/** A supervisor's words are shown once sent; this corrects them to what was heard. */
function corrected(items: Item[], spoken: Partial<Turn>): Item[] | undefined {
  const at = items.findLastIndex((item) => item.kind === "turn" && item.who === "supervisor");
  const turn = items[at];
  if (turn?.kind !== "turn") return undefined;
  const cut = afterHeard(turn.text, spoken.text ?? "");
  return items.with(at, { ...turn, ...spoken, unheard: cut });
}

/** An event without a readable time happened when the one before it did. */
function time(event: CallEvent, call: Call): number {
  const at = Date.parse(event.timestamp);
  return Number.isNaN(at) ? call.lastEventAt : at;
}
