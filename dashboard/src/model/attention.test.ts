import { expect, test } from "vitest";
import { toEvent } from "../api/events";
import { byAttention, reasons } from "./attention";
import { board, conditions } from "./board";
import { applyAll, type Call, newCall } from "./call";

const T0 = Date.UTC(2026, 10, 23, 9, 0, 0);

function call(sid: string, ...steps: [second: number, type: string, fields?: object][]): Call {
  const all: typeof steps = [
    [0, "session_start", { from: "+14155550142" }],
    [0, "connected"],
    ...steps,
  ];
  const events = all.map(([second, type, fields], at) =>
    toEvent({
      type,
      callSid: sid,
      seq: at + 1,
      timestamp: new Date(T0 + second * 1000).toISOString(),
      ...fields,
    }),
  );
  return applyAll(
    newCall(sid),
    events.filter((event) => event !== undefined),
  );
}

const kinds = (of: Call, second: number) =>
  reasons(of, T0 + second * 1000).map((reason) => reason.kind);

test("a quiet call in good order needs nobody", () => {
  const plain = call("CA1", [1, "transcript", { speaker: "caller", text: "Hello there" }]);
  expect(kinds(plain, 5)).toEqual([]);
});

test("a waiting question says how long it has waited", () => {
  const asking = call("CA1", [10, "query", { prompt: "May I?" }]);
  expect(reasons(asking, T0 + 30_000)).toEqual([{ kind: "question", since: T0 + 10_000 }]);
});

test("a caller who asks for a person needs one, until a human has the call", () => {
  const wish = { speaker: "caller", text: "let me talk to a real person please" };
  expect(kinds(call("CA1", [1, "transcript", wish]), 3)).toEqual(["human"]);
  expect(kinds(call("CA1", [1, "transcript", wish], [2, "takeover"]), 3)).toEqual([]);
});

test("one misunderstanding is human, two are a reason", () => {
  const again = { text: "Sorry, I didn't catch that.", interrupted: false };
  expect(kinds(call("CA1", [1, "assistant_response", again]), 3)).toEqual([]);
  expect(
    kinds(call("CA1", [1, "assistant_response", again], [2, "assistant_response", again]), 3),
  ).toEqual(["misunderstood"]);
});

test("long silence, slow answers and model trouble are reasons", () => {
  expect(kinds(call("CA1"), 20)).toEqual(["silence"]);
  const slow = call("CA1", [1, "latency", { turn: 1, stage: "total", ms: 2_500 }]);
  expect(kinds(slow, 2)).toEqual(["latency"]);
  const broken = call("CA1", [1, "error", { where: "model", message: "lost" }]);
  expect(kinds(broken, 2)).toEqual(["fault"]);
  expect(kinds(broken, 300)).not.toContain("fault");
});

test("an ended call needs nobody", () => {
  const ended = call("CA1", [1, "query", { prompt: "?" }], [2, "session_end", { reason: "done" }]);
  expect(kinds(ended, 90)).toEqual([]);
});

test("the list shows the longest waiting first, then lesser reasons, then the longest calls", () => {
  const late = call("CA-late", [20, "query", { prompt: "?" }]);
  const early = call("CA-early", [5, "pending_response", { text: "…" }]);
  const wish = call("CA-wish", [21, "transcript", { speaker: "caller", text: "a human please" }]);
  const plain = call("CA-plain", [21, "transcript", { speaker: "caller", text: "fine" }]);
  const sorted = byAttention([plain, late, wish, early], T0 + 25_000);
  expect(sorted.map((each) => each.callSid)).toEqual([
    "CA-early",
    "CA-late",
    "CA-wish",
    "CA-plain",
  ]);
});

test("the strip counts the live, the waiting, the cost and the slowest turns", () => {
  const one = call(
    "CA1",
    [1, "latency", { turn: 1, stage: "total", ms: 700 }],
    [2, "usage", { costUsd: 0.5, inputTokens: 10 }],
    [3, "query", { prompt: "?" }],
  );
  const two = call("CA2", [1, "error", { where: "store" }], [2, "session_end", { reason: "x" }]);
  const figures = board([one, two, newCall("CA3")], T0 + 10_000);
  expect(figures).toMatchObject({ live: 1, waiting: 1, oldest: T0 + 3_000, p95: 700 });
  expect(figures).toMatchObject({ model: "good", store: "trouble", today: 2, costToday: 0.5 });
});

test("the parts’ conditions are what calls show, else what the server says of itself", () => {
  const seen = { model: "trouble", carrier: "unknown", store: "unknown" } as const;
  const findings = [
    { id: "model", level: "ok" },
    { id: "twilio_account", level: "ok" },
    { id: "twilio_number", level: "fail" },
    { id: "store", level: "ok" },
  ] as const;
  const known = { model: "trouble", carrier: "trouble", store: "good" };
  expect(conditions(seen, "", findings)).toEqual(known);
  const full = "the store does not take events";
  expect(conditions(seen, full, findings)).toEqual({ ...known, store: "trouble" });
  expect(conditions(seen, "", [])).toEqual(seen);
});
