/**
 * The softphone: its socket, its call, and reconnecting to it. It outlives the page that shows it, so
 * the call goes on while the supervisor looks at something else.
 */
import { HEARTBEAT, HeartbeatMonitor } from "../live/heartbeat";
import { type FromPhone, newCallSid, newSessionId, parseFrame } from "./frames";
import { Player, type Voice } from "./player";

/** What the softphone needs of a `WebSocket`. */
export interface PhoneSocket {
  onopen: (() => void) | null;
  onmessage: ((message: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

export type PhoneState =
  | { phase: "idle" }
  | { phase: "ringing" | "talking" | "lost"; callSid: string; agent: string; since: number }
  | {
      phase: "over";
      callSid: string;
      agent: string;
      /** Why it failed; empty if it ended normally. */
      trouble: string;
      transferredTo: string | undefined;
    };

export interface Dependencies {
  open: (agent: string) => PhoneSocket;
  voice: () => Voice;
  now: () => number;
  /** Keeps the call's id across a reload of the page. */
  keep: (call: { callSid: string; agent: string } | undefined) => void;
}

/** After this long a socket that has neither opened nor failed is given up. */
const OPENING_MS = 8_000;
/** The server keeps a lost call for half a minute. */
const KEPT_MS = 30_000;
const RETRY_MS = 1_000;

export class Phone {
  private state: PhoneState = { phase: "idle" };
  private socket: PhoneSocket | undefined;
  private player: Player | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private heartbeat: HeartbeatMonitor | undefined;
  private transferredTo: string | undefined;
  private speaking = false;
  private version = 0;
  private listeners = new Set<() => void>();
  private readonly dependencies: Dependencies;

  constructor(dependencies: Dependencies) {
    this.dependencies = dependencies;
  }

  current = (): PhoneState => this.state;

  /** Increases with every change, including those of the caption. */
  changes = (): number => this.version;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  get caption() {
    return this.player?.caption;
  }

  /** Calls an agent; an empty id stands for the default agent. */
  call(agent: string): void {
    if (this.live()) return;
    this.begin(newCallSid(), agent);
  }

  /** Reconnects to a call that a reload of the page has cut off. */
  resume(call: { callSid: string; agent: string }): void {
    if (this.live()) return;
    this.begin(call.callSid, call.agent);
  }

  /** Words of the caller; `last` is false while the sentence still grows. */
  say(words: string, last = true): void {
    if (this.state.phase !== "talking" || words.trim() === "") return;
    if (!this.speaking) {
      this.speaking = true;
      this.send({ type: "info", name: "clientSpeaking", value: "on" });
      this.player?.interrupt();
    }
    if (last) {
      this.speaking = false;
      this.send({ type: "info", name: "clientSpeaking", value: "off" });
    }
    this.send({ type: "prompt", voicePrompt: words.trim(), lang: "en-US", last });
  }

  press(digit: string): void {
    if (this.state.phase === "talking") this.send({ type: "dtmf", digit });
  }

  /** Uses the chosen voice from the next clause on. */
  changeVoice(): void {
    if (this.player) this.player.voice = this.dependencies.voice();
  }

  hangUp(): void {
    if (this.state.phase === "idle" || this.state.phase === "over") return;
    this.finish("");
  }

  /** Goes back to choosing an agent. */
  clear(): void {
    if (this.state.phase === "over") this.set({ phase: "idle" });
  }

  private live(): boolean {
    return this.state.phase !== "idle" && this.state.phase !== "over";
  }

  private begin(callSid: string, agent: string): void {
    this.transferredTo = undefined;
    this.dependencies.keep({ callSid, agent });
    this.set({ phase: "ringing", callSid, agent, since: this.dependencies.now() });
    this.connect(callSid, agent);
  }

  private connect(callSid: string, agent: string): void {
    const socket = this.dependencies.open(agent);
    this.socket = socket;
    this.speaking = false;
    this.player = new Player(
      this.dependencies.voice(),
      (frame) => this.send(frame),
      () => this.changed(),
      this.dependencies.now,
    );
    let opened = false;
    /** The `close` event of a dead socket is not waited for, as it may take minutes. */
    const giveUp = () => {
      socket.onclose = null;
      socket.close();
      if (this.socket === socket) this.closed(0, "", opened);
    };
    const limit = setTimeout(giveUp, OPENING_MS);
    socket.onopen = () => {
      clearTimeout(limit);
      if (this.socket !== socket) return;
      opened = true;
      this.send({
        type: "setup",
        callSid,
        sessionId: newSessionId(),
        direction: "inbound",
        callStatus: "IN_PROGRESS",
      });
      this.heartbeat = new HeartbeatMonitor({
        now: this.dependencies.now,
        send: () => socket.send(HEARTBEAT),
        onDead: giveUp,
      });
      const since = this.state.phase === "ringing" ? this.dependencies.now() : this.since();
      this.set({ phase: "talking", callSid, agent, since });
    };
    socket.onmessage = ({ data }) => {
      if (this.socket !== socket) return;
      this.heartbeat?.received();
      this.take(data);
    };
    socket.onclose = ({ code, reason }) => {
      clearTimeout(limit);
      if (this.socket === socket) this.closed(code, reason, opened);
    };
  }

  private take(data: unknown): void {
    const frame = parseFrame(data);
    if (frame?.type === "text") this.player?.text(frame);
    if (frame?.type === "digits") this.player?.digits(frame.digits);
    if (frame?.type === "end") {
      this.transferredTo = frame.transferredTo;
      this.finish("");
    }
  }

  private closed(code: number, reason: string, opened: boolean): void {
    this.socket = undefined;
    this.heartbeat?.stop();
    this.player?.stop();
    const since = this.state.phase === "lost" ? this.since() : this.dependencies.now();
    if (code === 1000) this.over("");
    // Refused: another attempt would be refused as well.
    else if (code === 1008) this.over(reason || "refused");
    else if (this.state.phase === "ringing" && !opened) this.over("unreachable");
    else if (this.dependencies.now() - since > KEPT_MS) this.over("lost");
    else this.lose(since);
  }

  private lose(since: number): void {
    const { callSid, agent } = this.state as { callSid: string; agent: string };
    this.set({ phase: "lost", callSid, agent, since });
    this.retry = setTimeout(() => {
      if (this.state.phase === "lost") this.connect(callSid, agent);
    }, RETRY_MS);
  }

  private finish(trouble: string): void {
    clearTimeout(this.retry);
    const socket = this.socket;
    this.heartbeat?.stop();
    this.player?.stop();
    this.socket = undefined;
    socket?.close(1000);
    this.over(trouble);
  }

  private over(trouble: string): void {
    if (!this.live()) return;
    const { callSid, agent } = this.state as { callSid: string; agent: string };
    this.dependencies.keep(undefined);
    const { transferredTo } = this;
    this.set({ phase: "over", callSid, agent, trouble, transferredTo });
  }

  private since(): number {
    return "since" in this.state ? this.state.since : this.dependencies.now();
  }

  private send(frame: FromPhone): void {
    try {
      this.socket?.send(JSON.stringify(frame));
    } catch {
      // The socket is closing; its `close` event follows.
    }
  }

  private set(state: PhoneState): void {
    this.state = state;
    this.changed();
  }

  private changed(): void {
    this.version += 1;
    for (const listener of this.listeners) listener();
  }
}
