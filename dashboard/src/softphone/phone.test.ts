import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Phone, type PhoneSocket } from "./phone";
import type { Voice } from "./player";

class Socket implements PhoneSocket {
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  sent: Record<string, unknown>[] = [];
  closedWith: number | undefined;
  send(text: string) {
    this.sent.push(JSON.parse(text));
  }
  close(code?: number) {
    this.closedWith = code;
  }
  take(frame: object) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

/** Says everything at once when told to. */
let finish: (() => void) | undefined;
const voice: Voice = (_text, _progress, done) => {
  finish = done;
  return () => {
    finish = undefined;
  };
};

function ringing() {
  const sockets: Socket[] = [];
  const kept: unknown[] = [];
  const phone = new Phone({
    open: () => {
      const socket = new Socket();
      sockets.push(socket);
      return socket;
    },
    voice: () => voice,
    now: () => Date.now(),
    keep: (call) => kept.push(call),
  });
  phone.call("support");
  sockets[0]?.onopen?.();
  return { phone, sockets, kept };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("it introduces itself, speaks what it is sent, and says what was said", () => {
  const { phone, sockets } = ringing();
  const [socket] = sockets;
  expect(socket?.sent[0]).toMatchObject({ type: "setup", direction: "inbound" });
  expect(socket?.sent[0]?.callSid).toMatch(/^CA[0-9a-f]{32}$/);
  socket?.take({ type: "text", token: "Hello.", last: true });
  finish?.();
  phone.say("I lost my card");
  expect(socket?.sent.slice(1).map((frame) => frame.type)).toEqual([
    ...["info", "info", "info"],
    ...["info", "info", "prompt"],
  ]);
  expect(socket?.sent.at(-1)).toMatchObject({ voicePrompt: "I lost my card", last: true });
});

test("whoever speaks over the AI interrupts it first", () => {
  const { phone, sockets } = ringing();
  sockets[0]?.take({ type: "text", token: "A long story.", last: true });
  phone.say("wait", false);
  phone.say("wait a moment");
  const types = sockets[0]?.sent.map((frame) => frame.type) ?? [];
  expect(types.filter((type) => type === "interrupt")).toHaveLength(1);
  expect(types.indexOf("interrupt")).toBeLessThan(types.indexOf("prompt"));
});

test("a lost socket is opened again for the same call, for half a minute", () => {
  const { phone, sockets } = ringing();
  const sid = sockets[0]?.sent[0]?.callSid;
  sockets[0]?.onclose?.({ code: 1006, reason: "" });
  expect(phone.current().phase).toBe("lost");
  vi.advanceTimersByTime(1_000);
  sockets[1]?.onopen?.();
  expect(sockets[1]?.sent[0]?.callSid).toBe(sid);
  expect(phone.current().phase).toBe("talking");
  for (let at = 1; at < 60; at += 1) {
    sockets.at(-1)?.onclose?.({ code: 1006, reason: "" });
    vi.advanceTimersByTime(1_000);
  }
  expect(phone.current()).toMatchObject({ phase: "over", trouble: "lost" });
});

test("the server's end hangs up and says where the call went", () => {
  const { phone, sockets, kept } = ringing();
  const handoffData = JSON.stringify({ reason: "transfer", target: "+15005550009" });
  sockets[0]?.take({ type: "end", handoffData });
  expect(sockets[0]?.closedWith).toBe(1000);
  expect(phone.current()).toMatchObject({ phase: "over", transferredTo: "+15005550009" });
  expect(kept.at(-1)).toBeUndefined();
});

test("a refusal is not tried again", () => {
  const { phone, sockets } = ringing();
  sockets[0]?.onclose?.({ code: 1008, reason: "the call is over" });
  vi.advanceTimersByTime(5_000);
  expect(sockets).toHaveLength(1);
  expect(phone.current()).toMatchObject({ phase: "over", trouble: "the call is over" });
});

test("a socket that has died without a word is left, and the call goes on over another", () => {
  const { phone, sockets } = ringing();
  const beat = { type: "heartbeat", timestamp: "2026-11-23T09:00:00.000Z" };
  for (let at = 0; at < 6; at += 1) {
    vi.advanceTimersByTime(10_000);
    sockets[0]?.take(beat);
  }
  expect(phone.current().phase).toBe("talking");
  expect(sockets[0]?.sent.filter(({ type }) => type === "heartbeat").length).toBeGreaterThan(5);
  vi.advanceTimersByTime(15_000);
  expect(sockets.length).toBe(2);
  sockets[1]?.onopen?.();
  expect(sockets[1]?.sent[0]?.callSid).toBe(sockets[0]?.sent[0]?.callSid);
  expect(phone.current().phase).toBe("talking");
});

test("a socket that never opens is not waited for", () => {
  const { phone, sockets } = ringing();
  sockets[0]?.onclose?.({ code: 1006, reason: "" });
  vi.advanceTimersByTime(60_000);
  expect(sockets.length).toBeGreaterThan(2);
  expect(phone.current()).toMatchObject({ phase: "over", trouble: "lost" });
});
