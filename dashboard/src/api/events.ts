/**
 * The events of a call as the server sends them over `/events/ws`, and how a raw message becomes
 * one. Strict about what the page needs, tolerant of everything else: an unknown type is kept as
 * it is, an unknown field is ignored, a missing text is empty.
 */

/** Who caused something: the model, a supervisor (perhaps by name), or the server's own policy. */
export type Author = string;

/** Fields that every event has. `seq` is missing on live-only events. */
interface Base {
  callSid: string;
  /** RFC 3339, UTC. */
  timestamp: string;
  /** 1, 2, 3 … within the call, without gaps. */
  seq?: number;
  by?: Author;
}

export interface SessionStart extends Base {
  type: "session_start";
  from: string;
  to: string;
  direction: string;
  agent: string;
  carrier: string;
}

export interface SessionEnd extends Base {
  type: "session_end";
  reason: string;
  durationMs?: number;
}

export interface Transcript extends Base {
  type: "transcript";
  speaker: string;
  text: string;
  final: boolean;
}

export interface AssistantResponse extends Base {
  type: "assistant_response";
  /** What the caller heard. */
  text: string;
  /** What the model wrote, with its commands, where that is not what was heard. */
  generated: string;
  interrupted: boolean;
  /** Why the AI spoke: `model`, `greeting`, `filler`, `nudge`, `hold`, `apology`, `goodbye`, `supervisor`. */
  source: string;
  turn?: number;
}

/** How far the caller has heard a reply that is still being spoken. */
export interface AssistantHeard extends Base {
  type: "assistant_heard";
  text: string;
  turn?: number;
}

export interface AssistantDelta extends Base {
  type: "assistant_delta";
  text: string;
  turn?: number;
}

export interface Command extends Base {
  type: "command_executed" | "command_rejected";
  command: string;
  value: string;
  reason?: string;
}

export interface Latency extends Base {
  type: "latency";
  turn: number;
  stage: string;
  ms: number;
}

export interface Usage extends Base {
  type: "usage";
  costUsd: number;
  /** Tokens by kind, flat: `inputTokens`, `cachedTokens`, `outputTokens` … */
  tokens: Record<string, number>;
}

export interface Fault extends Base {
  type: "error";
  where: string;
  code: string;
  message: string;
  fatal: boolean;
}

/** Events whose only content is one text. */
export interface Worded extends Base {
  type:
    | "assistant_override"
    | "query_response"
    | "response_approved"
    | "response_rejected"
    | "whisper"
    | "release";
  text: string;
  reason?: string;
  /** False for a question that nobody answered in time. */
  answered?: boolean;
}

/**
 * A human has taken over, is away, or is back. `holder` is the id of their log-in, empty if the server
 * does not tell; `timeoutMs` is the time after which the AI goes on.
 */
export interface Takeover extends Base {
  type: "takeover" | "takeover_unattended" | "takeover_attended";
  text: string;
  holder: string;
  timeoutMs?: number;
}

/** A command that a held reply carries, executed if the reply is sent unchanged. */
export interface HeldCommand {
  command: string;
  value: string;
}

/** Events that wait for a supervisor. `timeoutMs`: after how long the call goes on by itself. */
export interface Waiting extends Base {
  type: "query" | "pending_response";
  text: string;
  timeoutMs?: number;
  /** The turn of a held reply. */
  turn?: number;
  commands: HeldCommand[];
}

/**
 * A step of the call with at most one value: the status of an outbound call, who answered it, that the
 * caller was told that a machine speaks, that the line is connected, or that another server took it.
 */
export interface Step extends Base {
  type: "status" | "answered_by" | "disclosure" | "connected" | "handed_over";
  text: string;
}

/** The line was lost and is back. */
export interface Resumed extends Base {
  type: "resumed";
  gapMs: number;
}

export interface Transfer extends Base {
  type: "session_transfer";
  target: string;
}

export interface Dtmf extends Base {
  type: "dtmf";
  digit: string;
}

export interface Interrupt extends Base {
  type: "interrupt";
  heard: string;
}

/** An event of a type unknown to this page: shown by its name, never an error. */
export interface Unknown extends Base {
  type: "unknown";
  name: string;
}

export type CallEvent =
  | SessionStart
  | SessionEnd
  | Transcript
  | AssistantResponse
  | AssistantDelta
  | AssistantHeard
  | Step
  | Command
  | Latency
  | Usage
  | Fault
  | Worded
  | Takeover
  | Waiting
  | Resumed
  | Transfer
  | Dtmf
  | Interrupt
  | Unknown;

/** Parses a message of the event socket; `undefined` if it is not an event. */
export function parseEvent(message: string): CallEvent | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(message);
  } catch {
    return undefined;
  }
  return toEvent(raw);
}

/** Converts parsed JSON to an event; `undefined` if it has no type or belongs to no call. */
export function toEvent(raw: unknown): CallEvent | undefined {
  if (!isRecord(raw)) return undefined;
  const type = text(raw, "type");
  const callSid = text(raw, "callSid");
  if (type === "" || callSid === "") return undefined;
  const base: Base = { callSid, timestamp: text(raw, "timestamp") };
  const seq = number(raw, "seq");
  if (seq !== undefined && Number.isInteger(seq) && seq > 0) base.seq = seq;
  const by = text(raw, "by");
  if (by !== "") base.by = by;
  return read(type, base, raw);
}

function read(type: string, base: Base, raw: Raw): CallEvent {
  switch (type) {
    case "session_start":
      return {
        ...base,
        type,
        from: text(raw, "from"),
        to: text(raw, "to"),
        direction: text(raw, "direction"),
        agent: text(raw, "agent"),
        carrier: text(raw, "carrier"),
      };
    case "session_end":
      return { ...base, type, reason: text(raw, "reason"), durationMs: number(raw, "durationMs") };
    case "transcript":
      return {
        ...base,
        type,
        speaker: text(raw, "speaker"),
        text: text(raw, "text"),
        // Only finished utterances are numbered, so a numbered one is final whatever it says.
        final: raw.final === true || base.seq !== undefined,
      };
    case "assistant_response":
      return {
        ...base,
        type,
        text: text(raw, "text"),
        generated: text(raw, "generated"),
        interrupted: raw.interrupted === true,
        source: text(raw, "source") || "model",
        turn: number(raw, "turn"),
      };
    case "assistant_delta":
    case "assistant_heard":
      return { ...base, type, text: text(raw, "text"), turn: number(raw, "turn") };
    case "answered_by": {
      const disregarded = text(raw, "disregarded");
      const why = disregarded && `, disregarded: ${disregarded}`;
      return { ...base, type, text: text(raw, STEP_WORD[type]) + why };
    }
    case "status":
    case "disclosure":
    case "connected":
    case "handed_over":
      return { ...base, type, text: text(raw, STEP_WORD[type]) };
    case "command_executed":
    case "command_rejected":
      return {
        ...base,
        type,
        command: text(raw, "command"),
        value: text(raw, "value"),
        reason: optional(raw, "reason"),
      };
    case "latency":
      return {
        ...base,
        type,
        turn: number(raw, "turn") ?? 0,
        stage: text(raw, "stage"),
        ms: number(raw, "ms") ?? 0,
      };
    case "usage":
      return { ...base, type, costUsd: number(raw, "costUsd") ?? 0, tokens: tokens(raw) };
    case "error":
      return {
        ...base,
        type,
        where: text(raw, "where"),
        code: text(raw, "code"),
        message: text(raw, "message"),
        fatal: raw.fatal === true,
      };
    case "assistant_override":
    case "query_response":
    case "response_approved":
    case "response_rejected":
    case "whisper":
    case "release":
      return {
        ...base,
        type,
        text: text(raw, "text"),
        reason: optional(raw, "reason"),
        answered: raw.answered !== false,
      };
    case "takeover":
    case "takeover_unattended":
    case "takeover_attended":
      return {
        ...base,
        type,
        text: text(raw, "text"),
        holder: text(raw, "holder"),
        timeoutMs: number(raw, "timeoutMs"),
      };
    case "query":
    case "pending_response":
      return {
        ...base,
        type,
        text: text(raw, type === "query" ? "prompt" : "text"),
        timeoutMs: number(raw, "timeoutMs"),
        turn: number(raw, "turn"),
        commands: heldCommands(raw.commands),
      };
    case "resumed":
      return { ...base, type, gapMs: number(raw, "gapMs") ?? 0 };
    case "session_transfer":
      return { ...base, type, target: text(raw, "target") };
    case "dtmf":
      return { ...base, type, digit: text(raw, "digit") };
    case "interrupt":
      return { ...base, type, heard: text(raw, "heard") };
    default:
      return { ...base, type: "unknown", name: type };
  }
}

/** The field that holds a step's value. */
const STEP_WORD = {
  status: "status",
  answered_by: "who",
  disclosure: "text",
  connected: "text",
  handed_over: "text",
} as const;

function heldCommands(raw: unknown): HeldCommand[] {
  if (!Array.isArray(raw)) return [];
  return raw
    .filter(isRecord)
    .map((each) => ({ command: text(each, "command"), value: text(each, "value") }));
}

type Raw = Record<string, unknown>;

function isRecord(value: unknown): value is Raw {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Accepts numbers as text, too: digits and codes are sometimes numbers. */
function text(raw: Raw, key: string): string {
  const value = raw[key];
  if (typeof value === "string") return value;
  return typeof value === "number" ? String(value) : "";
}

function optional(raw: Raw, key: string): string | undefined {
  return text(raw, key) || undefined;
}

function number(raw: Raw, key: string): number | undefined {
  const value = raw[key];
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** Every numeric field of a usage event is a count of tokens, flat or under `tokens`. */
function tokens(raw: Raw): Record<string, number> {
  const found: Record<string, number> = {};
  const nested = isRecord(raw.tokens) ? raw.tokens : {};
  for (const [key, value] of Object.entries({ ...raw, ...nested })) {
    if (key === "seq" || key === "costUsd" || key === "turn" || key === "v") continue;
    if (typeof value === "number" && Number.isFinite(value)) found[key] = value;
  }
  return found;
}
