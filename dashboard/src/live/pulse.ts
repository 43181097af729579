/**
 * Whether a socket still brings anything. A connection may die without a word (a proxy that hangs, a
 * network that is gone), and browsers do not tell for minutes. So both sides send heartbeats, and a
 * socket that is silent for longer than they are apart is dead, whatever the browser says of it.
 */

/** What a page sends; the server answers, and from then on sends its own as often. */
export const HEARTBEAT = '{"type":"heartbeat"}';

const HEARTBEAT_MS = 10_000;
const SILENCE_MS = 13_000;
const CHECK_MS = 1_000;
/** A check that comes so late was held back, and with it perhaps what the server has sent. */
const LATE_MS = 5_000;

export interface Patient {
  /** Milliseconds by a clock that nobody sets. */
  now: () => number;
  /** Sends a heartbeat. */
  ask: () => void;
  /** The socket is dead; told once. */
  dead: () => void;
}

export class Pulse {
  private readonly patient: Patient;
  private readonly timer: ReturnType<typeof setInterval>;
  /** When the last thing came. */
  heardAt: number;
  private askedAt = Number.NEGATIVE_INFINITY;
  private checkedAt: number;

  /** Of a socket that has just opened. */
  constructor(patient: Patient) {
    this.patient = patient;
    this.heardAt = patient.now();
    this.checkedAt = this.heardAt;
    this.timer = setInterval(() => this.check(), CHECK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Something has come. */
  heard(): void {
    this.heardAt = this.patient.now();
  }

  ask(): void {
    this.askedAt = this.patient.now();
    this.patient.ask();
  }

  check(): void {
    const now = this.patient.now();
    const late = now - this.checkedAt > LATE_MS;
    this.checkedAt = now;
    const unanswered = this.askedAt > this.heardAt;
    // After a check that came late, only a question without an answer counts: what else has come
    // meanwhile may be waiting behind this check.
    const since = late && unanswered ? this.askedAt : this.heardAt;
    if (now - since > SILENCE_MS && (!late || unanswered)) {
      this.stop();
      this.patient.dead();
    } else if (now - this.askedAt >= HEARTBEAT_MS || (late && !unanswered)) this.ask();
  }
}

/** The server's time, if this is its heartbeat. */
export function heartbeatTime(data: unknown): number | undefined {
  if (typeof data !== "string") return undefined;
  try {
    const frame = JSON.parse(data) as { type?: unknown; timestamp?: unknown } | null;
    return frame?.type === "heartbeat" ? Date.parse(String(frame.timestamp)) : undefined;
  } catch {
    return undefined;
  }
}
