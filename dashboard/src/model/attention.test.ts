import { expect, test } from "vitest";
import { toEvent } from "../api/events";
import { byAttention, isUrgent, reasons, waitingSince, waits } from "./attention";
import { type Call, newCall } from "./call";
import { applyAll } from "./reducer";
import { conditions, stats } from "./stats";

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

test("a takeover whose holder is gone is a reason, until they or others are there", () => {
  const missed: [number, string, object] = [20, "takeover_unattended", { timeoutMs: 40_000 }];
  const left = call("CA1", [1, "takeover", { holder: "ann" }], missed);
  expect(reasons(left, T0 + 30_000)).toEqual([{ kind: "abandoned", since: T0 + 20_000 }]);
  expect([waits(left), isUrgent("abandoned")]).toEqual([true, true]);
  const plain = call("CA2", [1, "transcript", { speaker: "caller", text: "a human please" }]);
  expect(byAttention([plain, left], T0 + 30_000)[0]).toBe(left);
  for (const after of ["takeover_attended", "release", "takeover", "session_end"]) {
    const settled = call("CA1", [1, "takeover", { holder: "ann" }], missed, [22, after, {}]);
    expect(kinds(settled, 23), after).toEqual([]);
    expect(waits(settled), after).toBe(false);
  }
});

test("a caller who speaks three times unanswered needs a human, whoever has the call", () => {
  const says = (second: number): [number, string, object] => [
    second,
    "transcript",
    { speaker: "caller", text: "hello" },
  ];
  const filler = { text: "One moment.", interrupted: false, source: "filler" };
  for (const before of [
    [1, "takeover", { holder: "ann" }],
    [1, "whisper"],
  ] as const) {
    const two = call("CA1", [...before] as [number, string], says(2), says(5));
    expect(kinds(two, 6)).toEqual([]);
    const still: [number, string, object] = [7, "assistant_response", filler];
    const three = call("CA1", [...before] as [number, string], says(2), says(5), still, says(9));
    expect(reasons(three, T0 + 10_000)).toEqual([{ kind: "unanswered", since: T0 + 2_000 }]);
    expect([waits(three), waitingSince(three)]).toEqual([true, T0 + 2_000]);
    const human = call("CA1", says(2), says(5), says(9), [
      10,
      "assistant_override",
      { text: "Yes" },
    ]);
    expect(kinds(human, 11)).toEqual([]);
  }
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
  const figures = stats([one, two, newCall("CA3")], T0 + 10_000);
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
