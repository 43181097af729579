import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CallStore } from "./store";
import { EventStream, type SocketLike } from "./stream";

/** A server that numbers events, replays them, and can go away. */
class FakeServer {
  sockets: FakeSocket[] = [];
  /** What is between it and the page passes nothing on, and closes nothing. */
  stopped = false;
  stored: { callSid: string; seq: number; type: string }[] = [];
  up = true;
  opened: Record<string, string>[] = [];

  open = (query: Record<string, string>): SocketLike => {
    this.opened.push(query);
    const socket = new FakeSocket(query, this);
    setTimeout(() => {
      if (this.stopped) return;
      if (!this.up) return socket.close();
      this.sockets.push(socket);
      socket.onopen?.();
      for (const event of this.stored) {
        if (event.callSid === query.callSid && event.seq > Number(query.after ?? 0)) {
          socket.tell(event);
        }
      }
    }, 1);
    return socket;
  };

  /** Numbers, keeps and sends an event to all who look. */
  say(callSid: string, type: string, fields: object = {}): void {
    const seq = this.stored.filter((event) => event.callSid === callSid).length + 1;
    const event = { callSid, seq, type, timestamp: "2026-11-23T09:00:00Z", ...fields };
    this.stored.push(event);
    this.send(event);
  }

  /** Sends an event that is not kept. */
  send(event: { callSid: string }): void {
    for (const socket of this.sockets) {
      const { callSid } = socket.query;
      if (callSid === undefined || callSid === event.callSid) socket.tell(event);
    }
  }

  live = (): string[] => [...new Set(this.stored.map((event) => event.callSid))];

  /** As a proxy that hangs: sockets stay open and dead, and new ones do not open. */
  stop(): void {
    this.stopped = true;
    for (const socket of this.sockets) socket.dead = true;
  }

  crash(): void {
    this.up = false;
    for (const socket of [...this.sockets]) socket.close();
  }
}

class FakeSocket implements SocketLike {
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  readonly query: Record<string, string>;
  private readonly server: FakeServer;
  /** Nothing passes any more, and not even its end is told. */
  dead = false;
  heartbeats: number[] = [];
  private closed = false;

  constructor(query: Record<string, string>, server: FakeServer) {
    this.query = query;
    this.server = server;
  }

  /** From the page: each of its heartbeats is answered. */
  send(text: string): void {
    expect(JSON.parse(text)).toEqual({ type: "heartbeat" });
    this.heartbeats.push(Date.now());
    const timestamp = new Date(Date.now() + AHEAD_MS).toISOString();
    setTimeout(() => this.tell({ type: "heartbeat", timestamp }), 1);
  }

  tell(event: object): void {
    if (!this.closed && !this.dead) this.onmessage?.({ data: JSON.stringify(event) });
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.server.sockets = this.server.sockets.filter((socket) => socket !== this);
    if (!this.dead) this.onclose?.({ code: 1006 });
  }
}

/** The server's clock less the page's. */
const AHEAD_MS = 420_000;

let server: FakeServer;
let told: number[];
let store: CallStore;
let stream: EventStream;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  told = [];
  store = new CallStore();
  stream = new EventStream(store, {
    open: server.open,
    liveCalls: async () => server.live(),
    probe: async () => {
      if (!server.up) throw new Error("down");
      return true;
    },
    now: () => Date.now(),
    serverTime: (at) => told.push(at - Date.now()),
    random: () => 0.5,
  });
});

afterEach(() => {
  stream.stop();
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const texts = (callSid: string) =>
  store.get(callSid)?.items.flatMap((item) => (item.kind === "turn" ? [item.text] : []));

test("a call that was live before the page opened is read from its first event", async () => {
  server.say("CA1", "session_start");
  server.say("CA1", "transcript", { speaker: "caller", text: "one" });
  stream.start();
  await pass(500);
  expect(texts("CA1")).toEqual(["one"]);
});

test("after a lost connection nothing is lost and nothing doubled", async () => {
  stream.start();
  await pass(100);
  server.say("CA1", "session_start");
  server.say("CA1", "transcript", { speaker: "caller", text: "one" });
  for (let at = 0; at < 48; at += 1) server.say("CA1", "dtmf", { digit: "1" });
  await pass(100);
  server.crash();
  await pass(100);
  expect(stream.current().state).toBe("stale");
  server.say("CA1", "transcript", { speaker: "caller", text: "two" });
  server.say("CA1", "transcript", { speaker: "caller", text: "three" });
  server.up = true;
  await pass(5_000);
  expect(stream.current().state).toBe("live");
  expect(server.opened).toContainEqual({ callSid: "CA1", after: "18" });
  server.say("CA1", "transcript", { speaker: "caller", text: "four" });
  await pass(100);
  expect(texts("CA1")).toEqual(["one", "two", "three", "four"]);
});

test("what a killed server told and had not kept gives way to what really is", async () => {
  stream.start();
  await pass(100);
  for (const callSid of ["CA1", "CA2"]) {
    server.say(callSid, "session_start");
    for (const text of ["one", "told and lost", "this, too"]) {
      server.say(callSid, "transcript", { speaker: "caller", text });
    }
  }
  await pass(100);
  expect(texts("CA1")).toHaveLength(3);
  server.crash();
  await pass(100);
  // It has kept two events of each; of one call more happens before we are back, of one after.
  server.stored = server.stored.filter(({ seq }) => seq <= 2);
  for (const text of ["two", "three", "four"]) {
    server.say("CA1", "transcript", { speaker: "caller", text, timestamp: "2026-11-23T09:01:00Z" });
  }
  server.up = true;
  await pass(5_000);
  server.say("CA2", "transcript", {
    speaker: "caller",
    text: "two",
    timestamp: "2026-11-23T09:01:00Z",
  });
  // Until all is here, what was shown stays.
  expect(texts("CA2")).toHaveLength(3);
  await pass(5_000);
  expect(texts("CA1")).toEqual(["one", "two", "three", "four"]);
  expect(texts("CA2")).toEqual(["one", "two"]);
  server.say("CA2", "transcript", { speaker: "caller", text: "three" });
  await pass(100);
  expect(texts("CA2")).toEqual(["one", "two", "three"]);
});

test("words without a number are not doubled while a replay runs beside the one socket", async () => {
  server.say("CA1", "session_start");
  stream.start();
  await pass(50);
  server.send({ callSid: "CA1", type: "assistant_delta", text: "Hello", timestamp: "" } as never);
  await pass(100);
  expect(store.get("CA1")?.draft?.text).toBe("Hello");
});

test("a replay ends when it has gone quiet, and one socket remains", async () => {
  server.say("CA1", "session_start");
  stream.start();
  await pass(5_000);
  expect(server.sockets.map((socket) => socket.query)).toEqual([{}]);
});

test("two hundred live calls are replayed a few at a time", async () => {
  for (let call = 0; call < 200; call += 1) server.say(`CA${call}`, "session_start");
  stream.start();
  await pass(400);
  expect(server.sockets.length).toBeGreaterThan(1);
  expect(server.sockets.length).toBeLessThanOrEqual(17);
  await pass(60_000);
  expect(store.live()).toHaveLength(200);
  expect(server.sockets).toHaveLength(1);
});

test("a number that is skipped is asked for at once", async () => {
  stream.start();
  await pass(100);
  server.say("CA1", "session_start");
  server.stored.push({ callSid: "CA1", seq: 2, type: "dtmf" });
  server.say("CA1", "transcript", { speaker: "caller", text: "three" });
  await pass(200);
  expect(store.get("CA1")?.seq).toBe(3);
});

test("tries come ever later, but at least every ten seconds or so", async () => {
  stream.start();
  await pass(100);
  server.crash();
  await pass(120_000);
  const connection = stream.current();
  expect(connection.state).toBe("stale");
  expect(connection.retryAt - Date.now()).toBeLessThanOrEqual(12_500);
  server.up = true;
  await pass(13_000);
  expect(stream.current().state).toBe("live");
});

test("a page that is logged out does not try again", async () => {
  const quiet = new EventStream(store, {
    open: server.open,
    liveCalls: async () => [],
    probe: async () => false,
    now: () => Date.now(),
    serverTime: (at) => told.push(at - Date.now()),
    random: () => 0.5,
  });
  quiet.start();
  await pass(100);
  server.crash();
  server.up = true;
  const tries = server.opened.length;
  await pass(60_000);
  expect(server.opened).toHaveLength(tries);
  quiet.stop();
});

test("a socket that has died without a word is not called live for longer than 15 s", async () => {
  stream.start();
  await pass(100);
  server.say("CA1", "session_start");
  server.say("CA1", "transcript", { speaker: "caller", text: "one" });
  // It dies at the worst moment: right after a heartbeat.
  await pass(10_000);
  expect(stream.current().state).toBe("live");
  server.stop();
  server.say("CA1", "transcript", { speaker: "caller", text: "two" });
  const died = Date.now();
  await pass(15_000);
  expect(stream.current().state).toBe("stale");
  expect(stream.current().since).toBeLessThanOrEqual(died);
  // New sockets do not open either; it is tried on.
  await pass(60_000);
  expect(stream.current().state).toBe("stale");
  server.stopped = false;
  await pass(25_000);
  expect(stream.current().state).toBe("live");
  expect(texts("CA1")).toEqual(["one", "two"]);
  server.say("CA1", "transcript", { speaker: "caller", text: "three" });
  await pass(100);
  expect(texts("CA1")).toEqual(["one", "two", "three"]);
});

test("heartbeats go both ways every 10 s, and a quiet server is no dead one", async () => {
  stream.start();
  await pass(120_000);
  expect(stream.current().state).toBe("live");
  const [socket] = server.sockets;
  const gaps = socket?.heartbeats.map((at, which, all) => at - (all[which - 1] ?? at)) ?? [];
  expect(gaps.length).toBeGreaterThanOrEqual(12);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(11_000);
  expect(server.opened).toHaveLength(1);
});

test("the server's time is taken from each heartbeat, the first one at once", async () => {
  stream.start();
  await pass(100);
  expect(told).toHaveLength(1);
  await pass(60_000);
  expect(told.length).toBeGreaterThanOrEqual(6);
  for (const ahead of told) expect(ahead).toBe(AHEAD_MS - 1);
});

test("a page whose timers were held back asks before it judges", async () => {
  stream.start();
  await pass(100);
  const [socket] = server.sockets;
  // The computer has slept for ten minutes, and the socket has lived.
  vi.setSystemTime(Date.now() + 600_000);
  await pass(1_500);
  expect(stream.current().state).toBe("live");
  expect(server.sockets[0]).toBe(socket);
  // And once more, with a socket that has died meanwhile.
  server.stop();
  vi.setSystemTime(Date.now() + 600_000);
  await pass(15_000);
  expect(stream.current().state).toBe("stale");
});
