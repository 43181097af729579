/**
 * Whether a socket is still alive. A connection may die silently (a proxy that hangs, a network that
 * is gone), and browsers do not report that for minutes. So both sides send heartbeats, and a socket
 * that is silent for longer than the interval between them is dead, whatever the browser says.
 */

/** What the page sends; the server answers, and then sends its own at the same interval. */
export const HEARTBEAT = '{"type":"heartbeat"}';

const HEARTBEAT_MS = 10_000;
const SILENCE_MS = 13_000;
const CHECK_MS = 1_000;
/** A check this late was held back by the browser, perhaps together with the server’s messages. */
const LATE_MS = 5_000;

export interface MonitoredSocket {
  /** Milliseconds of a monotonic clock. */
  now: () => number;
  /** Sends a heartbeat. */
  send: () => void;
  /** Called once, when the socket is dead. */
  onDead: () => void;
}

export class HeartbeatMonitor {
  private readonly socket: MonitoredSocket;
  private readonly timer: ReturnType<typeof setInterval>;
  /** When the last message came. */
  receivedAt: number;
  private sentAt = Number.NEGATIVE_INFINITY;
  private checkedAt: number;

  /** The socket has just opened. */
  constructor(socket: MonitoredSocket) {
    this.socket = socket;
    this.receivedAt = socket.now();
    this.checkedAt = this.receivedAt;
    this.timer = setInterval(() => this.check(), CHECK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** A message has come. */
  received(): void {
    this.receivedAt = this.socket.now();
  }

  send(): void {
    this.sentAt = this.socket.now();
    this.socket.send();
  }

  check(): void {
    const now = this.socket.now();
    const late = now - this.checkedAt > LATE_MS;
    this.checkedAt = now;
    const unanswered = this.sentAt > this.receivedAt;
    // After a late check only an unanswered heartbeat counts: other messages may be queued behind
    // this check.
    const since = late && unanswered ? this.sentAt : this.receivedAt;
    if (now - since > SILENCE_MS && (!late || unanswered)) {
      this.stop();
      this.socket.onDead();
    } else if (now - this.sentAt >= HEARTBEAT_MS || (late && !unanswered)) this.send();
  }
}

/** The server's time, if this is one of its heartbeats. */
export function heartbeatTime(data: unknown): number | undefined {
  if (typeof data !== "string") return undefined;
  try {
    const frame = JSON.parse(data) as { type?: unknown; timestamp?: unknown } | null;
    return frame?.type === "heartbeat" ? Date.parse(String(frame.timestamp)) : undefined;
  } catch {
    return undefined;
  }
}
