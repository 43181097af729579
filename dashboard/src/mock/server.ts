/** A server made of recorded events: numbers and replays them, and answers overrides with more. */
import type { CallSummary } from "../api/types";
import appointment from "../fixtures/appointment.json";
import asksForHuman from "../fixtures/asks_for_human.json";
import debitCard from "../fixtures/debit_card.json";
import misunderstood from "../fixtures/misunderstood.json";
import parcel from "../fixtures/parcel.json";
import survey from "../fixtures/survey.json";
import takeover from "../fixtures/takeover.json";
import type { SocketLike } from "../live/stream";
import { unplaced } from "./catalogue";
import { serverNow } from "./clock";
import { answer, failure } from "./http";

export type RawEvent = { type: string; callSid: string; timestamp: string; seq?: number } & Record<
  string,
  unknown
>;

/** Each recording, and how long ago it ended when the page opens; what is left plays on from there. */
const RECORDINGS: [events: RawEvent[], endedAgoMs: number][] = [
  [debitCard, 11_000],
  [appointment, 4_000],
  [takeover, 2_000],
  [asksForHuman, 6_000],
  [misunderstood, 9_000],
  [survey, -18_000],
  [parcel, 340_000],
];

const REPLAYED_AT_ONCE = 50;
const HEARTBEAT_MS = 10_000;

/** The id of the page's log-in. */
export const ME = "0123456789abcdef";

class MockSocket implements SocketLike {
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  closed = false;
  /** Nothing passes between the server and the page any more. */
  stopped = false;
  readonly callSid: string | undefined;
  private beats: ReturnType<typeof setInterval> | undefined;
  private readonly gone: (socket: MockSocket) => void;

  constructor(callSid: string | undefined, gone: (socket: MockSocket) => void) {
    this.callSid = callSid;
    this.gone = gone;
  }

  tell(event: object): void {
    if (!this.closed && !this.stopped) this.onmessage?.({ data: JSON.stringify(event) });
  }

  /** A heartbeat from the page: answered, and from then on repeated by itself. */
  send(_text: string): void {
    const beat = () =>
      this.tell({ type: "heartbeat", timestamp: new Date(serverNow()).toISOString() });
    setTimeout(beat, 2);
    this.beats ??= setInterval(beat, HEARTBEAT_MS);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.beats);
    this.gone(this);
    this.onclose?.({ code: 1000 });
  }
}

export class MockServer {
  /** While down, every request and socket fails. */
  down = false;
  private deaf = false;
  private calls = new Map<string, RawEvent[]>();
  private sockets = new Set<MockSocket>();

  playRecorded(): void {
    for (const [events, ago] of RECORDINGS) this.play(events, ago);
  }

  /** Silences sockets without closing them, or no longer does. */
  stopSockets(on: boolean): void {
    this.deaf = on;
    for (const socket of this.sockets) socket.stopped ||= on;
  }

  open(query: Record<string, string>): SocketLike {
    const socket = new MockSocket(query.callSid, (gone) => this.sockets.delete(gone));
    setTimeout(() => {
      if (this.deaf) return;
      if (this.down) return socket.close();
      this.sockets.add(socket);
      socket.onopen?.();
      if (query.callSid === undefined) return;
      this.replay(socket, Number(query.after ?? 0));
    }, 5);
    return socket;
  }

  /** Sends a call's past, a few events a task, as a real socket would. */
  private replay(socket: MockSocket, after: number): void {
    const events = this.calls.get(socket.callSid ?? "") ?? [];
    const next = events.slice(after, after + REPLAYED_AT_ONCE);
    for (const event of next) socket.tell(event);
    const told = after + next.length;
    if (told < events.length) setTimeout(() => this.replay(socket, told));
  }

  /** Sends an event to all sockets; one without a number is not stored. */
  publish(event: RawEvent): void {
    if (event.seq !== undefined) {
      const events = this.calls.get(event.callSid) ?? [];
      events.push(event);
      this.calls.set(event.callSid, events);
    }
    for (const socket of this.sockets) {
      if (socket.callSid === undefined || socket.callSid === event.callSid) socket.tell(event);
    }
  }

  /** Publishes a call's next event, numbered and dated. */
  add(callSid: string, type: string, fields: Record<string, unknown> = {}): void {
    const seq = (this.calls.get(callSid)?.length ?? 0) + 1;
    this.publish({ type, callSid, timestamp: new Date(serverNow()).toISOString(), seq, ...fields });
  }

  /** Publishes a live-only event. */
  words(callSid: string, fields: Record<string, unknown>): void {
    this.publish({
      callSid,
      timestamp: new Date(serverNow()).toISOString(),
      ...fields,
    } as RawEvent);
  }

  live(): string[] {
    return [...this.calls].filter(([, events]) => !has(events, "session_end")).map(([sid]) => sid);
  }

  /** The server goes away, or comes back. */
  pullPlug(down: boolean): void {
    this.down = down;
    if (down) for (const socket of [...this.sockets]) socket.close();
  }

  override(action: string, body: Record<string, string>): Response {
    const callSid = body.callSid ?? "";
    const events = this.calls.get(callSid);
    if (!events) return failure(404, "CALL_NOT_FOUND", "This call is not known.");
    if (has(events, "session_end")) return failure(409, "CONFLICT", "This call has ended.");
    const by = "you";
    switch (action) {
      case "text":
        if (pending(events, "pending_response", ["response_approved", "response_rejected"])) {
          this.add(callSid, "response_approved", { text: body.text, by });
          this.add(callSid, "assistant_response", { text: body.text, interrupted: false });
        } else {
          this.add(callSid, "assistant_override", { text: body.text, by });
        }
        break;
      case "whisper":
        this.add(callSid, "whisper", { text: body.text, by });
        break;
      case "clarification":
        if (!pending(events, "query", ["query_response"])) {
          return failure(409, "CONFLICT", "No question is waiting.");
        }
        this.add(callSid, "query_response", { text: body.response, by });
        break;
      case "reject":
        this.add(callSid, "response_rejected", { reason: body.reason ?? "", by });
        break;
      case "dtmf":
        this.add(callSid, "command_executed", { command: "press", value: body.digit, by });
        break;
      case "transfer":
        this.add(callSid, "session_transfer", { target: body.target, by });
        this.add(callSid, "session_end", { reason: "transferred" });
        break;
      case "takeover":
        this.add(callSid, action, { by, holder: ME });
        break;
      case "release":
        this.add(callSid, action, { by });
        break;
      case "end":
        this.add(callSid, "command_executed", { command: "end_call", value: "", by });
        this.add(callSid, "session_end", { reason: "supervisor" });
        break;
      default:
        return failure(404, "", "");
    }
    return answer({ status: "ok" });
  }

  place(body: Record<string, unknown>): Response {
    if (String(body.to).endsWith("911")) {
      return failure(422, "REFUSED", "This is an emergency number.");
    }
    const callSid = `CA${crypto.randomUUID().replaceAll("-", "")}`;
    this.add(callSid, "session_start", {
      from: "+14155550100",
      to: body.to,
      direction: "outbound",
      agent: body.agent ?? "assistant",
      carrier: "twilio-relay",
    });
    return answer({ callSid, status: "queued" }, 201);
  }

  list(query: URLSearchParams): { calls: CallSummary[]; next: string | null } {
    const words = (query.get("q") ?? "").toLowerCase();
    const live = query.get("live");
    const status = query.get("status");
    if (status !== null) {
      return { calls: unplaced().filter((order) => order.status === status), next: null };
    }
    const calls = [...this.calls]
      .map(([callSid, events]) => summary(callSid, events, words))
      .filter((call) => live === null || (live === "true") === call.live)
      .filter((call) => words === "" || call.match !== undefined)
      .sort((a, b) => ((a.startedAt ?? "") < (b.startedAt ?? "") ? 1 : -1));
    return { calls, next: null };
  }

  one(path: string): Response {
    const callSid = path.split("/")[0] ?? "";
    const events = this.calls.get(callSid);
    return events
      ? answer(summary(callSid, events, ""))
      : failure(404, "CALL_NOT_FOUND", "This call is not known.");
  }

  /** Gives a recorded event the next number, as others may have come in between. */
  private renumbered(event: RawEvent): RawEvent {
    if (event.seq === undefined) return event;
    return { ...event, seq: (this.calls.get(event.callSid)?.length ?? 0) + 1 };
  }

  /** Plays a recording: past events at once, the others when they are due. */
  private play(events: RawEvent[], endedAgoMs: number): void {
    const last = Date.parse(events.at(-1)?.timestamp ?? "");
    const shift = serverNow() - endedAgoMs - last;
    for (const recorded of events) {
      const at = Date.parse(recorded.timestamp) + shift;
      const event = { ...recorded, timestamp: new Date(at).toISOString() };
      const wait = at - serverNow();
      if (wait > 0) setTimeout(() => this.publish(this.renumbered(event)), wait);
      else if (event.seq !== undefined) this.publish(event);
    }
  }
}

function summary(callSid: string, events: RawEvent[], words: string): CallSummary {
  const start = events.find((event) => event.type === "session_start");
  const end = events.find((event) => event.type === "session_end");
  const found = events.find(
    (event) =>
      words !== "" &&
      String(event.text ?? "")
        .toLowerCase()
        .includes(words),
  );
  return {
    callSid,
    from: String(start?.from ?? ""),
    to: String(start?.to ?? ""),
    direction: String(start?.direction ?? ""),
    agent: String(start?.agent ?? ""),
    status: end ? "ended" : "live",
    endReason: end && String(end.reason),
    startedAt: start?.timestamp ?? "",
    carrier: String(start?.carrier ?? "twilio"),
    live: end === undefined,
    turns: events.filter(({ type }) => /^(transcript|assistant_response)$/.test(type)).length,
    durationMs: end && Date.parse(end.timestamp) - Date.parse(start?.timestamp ?? ""),
    costUsd: events.reduce((sum, event) => sum + Number(event.costUsd ?? 0), 0),
    match: found && { seq: found.seq ?? 0, text: String(found.text) },
  };
}

function has(events: RawEvent[], type: string): boolean {
  return events.some((event) => event.type === type);
}

/** Whether the newest request has not been answered yet. */
function pending(events: RawEvent[], asking: string, answers: string[]): boolean {
  const last = events.findLast((event) => event.type === asking || answers.includes(event.type));
  return last?.type === asking;
}
