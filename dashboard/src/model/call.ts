/** One call as the page knows it. How it follows from its events is in `reducer.ts`. */
import type { CallEvent, HeldCommand } from "../api/events";

export type Phase =
  | "starting"
  | "listening"
  | "caller"
  | "thinking"
  | "speaking"
  | "waiting"
  | "human"
  | "transferred"
  | "ended";

export type Speaker = "caller" | "ai" | "supervisor";

export interface Turn {
  kind: "turn";
  id: string;
  seq: number;
  at: number;
  who: Speaker;
  text: string;
  /** What had been written but was not heard, where it is known. */
  unheard: string;
  interrupted: boolean;
  /** Why the AI spoke: `model`, `greeting`, `filler` … */
  source: string;
  /** The model's turn, by which latencies are found. */
  turn: number | undefined;
  by: string;
}

/** Anything else that happened, shown as a chip in its place. */
export interface Note {
  kind: "note";
  id: string;
  seq: number;
  at: number;
  event: CallEvent;
}

export type Item = Turn | Note;

/** Something that waits for a supervisor: since when, and until when if the server has told. */
export interface Waiting {
  /** What a request names it by: the turn of a reply, the sequence number of a question. */
  reference: number | undefined;
  text: string;
  since: number;
  until: number | undefined;
  /** How long it may wait, in milliseconds; a question's time begins once it is the first. */
  timeoutMs: number | undefined;
  /** The commands that a held reply carries, done if it is sent unchanged. */
  commands: HeldCommand[];
}

/** The reply being spoken, not yet a numbered event. */
export interface Draft {
  text: string;
  turn: number | undefined;
  /** How much of it the caller heard, once interrupted. */
  heard: string | undefined;
  /** Its beginning was missed while the connection was lost. */
  beginningMissed: boolean;
  /** How much of it has been played to the caller. */
  played: string;
}

export interface Call {
  callSid: string;
  /** The last number up to which nothing is missing. */
  seq: number;
  /** Numbered events that came too early: what lies before them is missing. */
  early: CallEvent[];
  /** Type and time of each numbered event, to notice if a number comes again as another event. */
  fingerprints: string[];
  from: string;
  to: string;
  direction: string;
  agent: string;
  carrier: string;
  /** Milliseconds since 1970; 0 while unknown. */
  startedAt: number;
  endedAt: number;
  endReason: string;
  durationMs: number;
  phase: Phase;
  phaseSince: number;
  items: Item[];
  /** The caller's words so far, not final. */
  hearing: string;
  draft: Draft | undefined;
  question: Waiting | undefined;
  /** Questions asked while another one waits. */
  queued: Waiting[];
  reply: Waiting | undefined;
  takenOver: boolean;
  /** Which log-in holds the takeover; empty if nobody does, or if the server does not tell. */
  holder: string;
  /** The holder of the takeover has been away since then; the AI goes on at `until`. */
  unattended: { since: number; until: number | undefined } | undefined;
  /** How often the caller has spoken since the last reply, and since when. */
  unanswered: { times: number; since: number };
  /** By turn, by stage, in milliseconds. */
  latency: Record<number, Record<string, number>>;
  lastLatencyTurn: number;
  tokens: Record<string, number>;
  costUsd: number;
  /** When the newest error of model, carrier or store came, and what it said. */
  fault: { at: number; where: string; message: string; fatal: boolean } | undefined;
  lastEventAt: number;
}

export function newCall(callSid: string): Call {
  return {
    callSid,
    seq: 0,
    early: [],
    fingerprints: [],
    from: "",
    to: "",
    direction: "",
    agent: "",
    carrier: "",
    startedAt: 0,
    endedAt: 0,
    endReason: "",
    durationMs: 0,
    phase: "starting",
    phaseSince: 0,
    items: [],
    hearing: "",
    draft: undefined,
    question: undefined,
    queued: [],
    reply: undefined,
    takenOver: false,
    holder: "",
    unattended: undefined,
    unanswered: { times: 0, since: 0 },
    latency: {},
    lastLatencyTurn: 0,
    tokens: {},
    costUsd: 0,
    fault: undefined,
    lastEventAt: 0,
  };
}

/** Whether numbered events are missing: before ones already here, or a call's whole beginning. */
export function hasGap(call: Call): boolean {
  return call.early.length > 0 || (call.seq === 0 && call.lastEventAt > 0);
}

/** What was written after the point where the caller stopped hearing; nothing if they differ. */
export function afterHeard(written: string, heard: string): string {
  const cut = heard.trim().replace(/[—–…-]+$/u, "");
  return written.startsWith(cut) ? written.slice(cut.length) : "";
}

export function isLive(call: Call): boolean {
  return call.phase !== "ended" && call.seq > 0;
}
