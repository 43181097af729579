import { describe, expect, test } from "vitest";
import { type CallEvent, parseEvent, toEvent } from "../api/events";
import debitCard from "../fixtures/debit_card.json";
import parcel from "../fixtures/parcel.json";
import takeover from "../fixtures/takeover.json";
import { type Call, hasGap, newCall, type Turn } from "./call";
import { afterGap, apply, applyAll } from "./reducer";

const SID = "CA1";

function event(seq: number | undefined, type: string, fields: object = {}): CallEvent {
  const at = new Date(Date.UTC(2026, 10, 23, 9, 0, seq ?? 0)).toISOString();
  const read = toEvent({ type, callSid: SID, timestamp: at, seq, ...fields });
  if (!read) throw new Error("not an event");
  return read;
}

function recorded(raw: unknown[]): CallEvent[] {
  return raw.map((each) => toEvent(each)).filter((each) => each !== undefined);
}

function turns(call: Call): Turn[] {
  return call.items.filter((item): item is Turn => item.kind === "turn");
}

const start = event(1, "session_start", { from: "+14155550142", direction: "inbound" });

describe("numbered events", () => {
  test("count once, however often they come", () => {
    const events = recorded(parcel);
    const once = applyAll(newCall(SID), events);
    expect(applyAll(once, events)).toEqual(once);
  });

  test("are put in order, whatever order they come in", () => {
    const stored = recorded(parcel).filter((each) => each.seq !== undefined);
    const inOrder = applyAll(newCall(SID), stored);
    expect(applyAll(newCall(SID), [...stored].reverse())).toEqual(inOrder);
    const shuffled = [...stored].sort(
      (a, b) => (((a.seq ?? 0) * 7919) % 31) - (((b.seq ?? 0) * 7919) % 31),
    );
    expect(applyAll(newCall(SID), shuffled)).toEqual(inOrder);
  });

  test("after a hole wait until it is filled", () => {
    const holed = applyAll(newCall(SID), [
      start,
      event(3, "assistant_response", { text: "third" }),
    ]);
    expect(holed.seq).toBe(1);
    expect(hasGap(holed)).toBe(true);
    expect(turns(holed)).toHaveLength(0);
    const filled = apply(holed, event(2, "transcript", { speaker: "caller", text: "second" }));
    expect(filled.seq).toBe(3);
    expect(hasGap(filled)).toBe(false);
    expect(turns(filled).map((turn) => turn.text)).toEqual(["second", "third"]);
  });

  test("of a call whose beginning is unknown show a hole even when only words came", () => {
    expect(hasGap(apply(newCall(SID), event(undefined, "assistant_delta", { text: "Hi" })))).toBe(
      true,
    );
    expect(hasGap(newCall(SID))).toBe(false);
  });
});

describe("words on the way", () => {
  test("of the AI grow into a draft, and the finished reply takes its place", () => {
    let call = applyAll(newCall(SID), [
      start,
      event(undefined, "assistant_delta", { text: "I am " }),
      event(undefined, "assistant_delta", { text: "sorry." }),
    ]);
    expect(call.draft?.text).toBe("I am sorry.");
    expect(call.phase).toBe("speaking");
    call = apply(call, event(2, "assistant_response", { text: "I am sorry.", interrupted: false }));
    expect(call.draft).toBeUndefined();
    expect(turns(call).map((turn) => turn.text)).toEqual(["I am sorry."]);
  });

  test("of a new turn do not stick to those of the one before", () => {
    const call = applyAll(newCall(SID), [
      start,
      event(undefined, "assistant_delta", { text: "old", turn: 1 }),
      event(undefined, "assistant_delta", { text: "new", turn: 2 }),
    ]);
    expect(call.draft?.text).toBe("new");
  });

  test("of the caller are replaced, not appended, and end with the final ones", () => {
    let call = applyAll(newCall(SID), [
      start,
      event(undefined, "transcript", { speaker: "caller", text: "I lost", final: false }),
      event(undefined, "transcript", { speaker: "caller", text: "I lost my card", final: false }),
    ]);
    expect(call.hearing).toBe("I lost my card");
    call = apply(call, event(2, "transcript", { speaker: "caller", text: "I lost my card." }));
    expect(call.hearing).toBe("");
    expect(call.phase).toBe("thinking");
  });

  test("of a reply stay when the filler before them has been heard", () => {
    const call = applyAll(newCall(SID), [
      start,
      event(undefined, "assistant_delta", { text: "One moment. " }),
      event(undefined, "assistant_delta", { text: "It arr" }),
      event(2, "assistant_response", { text: "One moment.", interrupted: false, source: "filler" }),
    ]);
    expect(call.draft?.text).toBe("It arr");
  });

  test("have lost their beginning after the connection was lost", () => {
    const call = applyAll(newCall(SID), [
      start,
      event(undefined, "assistant_delta", { text: "I am" }),
    ]);
    expect(afterGap(call).draft?.beginningMissed).toBe(true);
    expect(afterGap(apply(newCall(SID), start)).draft).toBeUndefined();
  });

  test("after the end are dropped", () => {
    const ended = applyAll(newCall(SID), [start, event(2, "session_end", { reason: "completed" })]);
    expect(apply(ended, event(undefined, "assistant_delta", { text: "late" }))).toBe(ended);
  });
});

describe("an interruption", () => {
  const spoken = applyAll(newCall(SID), [
    start,
    event(undefined, "assistant_delta", { text: "I can block it for you now." }),
    event(2, "interrupt", { heard: "I can block" }),
  ]);

  test("marks how far the caller heard while the reply is still a draft", () => {
    expect(spoken.draft?.heard).toBe("I can block");
    expect(spoken.phase).toBe("caller");
  });

  test("leaves the words that were not heard to be struck through", () => {
    const cut = { text: "I can block", interrupted: true };
    const [turn] = turns(apply(spoken, event(3, "assistant_response", cut)));
    expect(turn).toMatchObject({
      text: "I can block",
      unheard: " it for you now.",
      interrupted: true,
    });
  });

  test("takes the server's own account of what was not heard before the page's", () => {
    const generated = "I can block it. [[press:1]]";
    const cut = { text: "I can block", interrupted: true, generated };
    const [turn] = turns(apply(spoken, event(3, "assistant_response", cut)));
    expect(turn?.unheard).toBe(" it.");
  });

  test("before the first word leaves nothing behind", () => {
    const silent = apply(spoken, event(3, "transcript", { speaker: "caller", text: "Wait" }));
    expect(silent.draft).toBeUndefined();
  });

  test("of a supervisor corrects the words that stand there already", () => {
    const said = applyAll(newCall(SID), [
      start,
      event(2, "assistant_override", { text: "Ten dollars. And there is more." }),
      event(3, "assistant_response", {
        text: "Ten dollars.",
        interrupted: true,
        source: "supervisor",
      }),
    ]);
    expect(turns(said)).toHaveLength(1);
    expect(turns(said)[0]).toMatchObject({
      who: "supervisor",
      text: "Ten dollars.",
      unheard: " And there is more.",
      interrupted: true,
    });
  });

  test("with words that do not match the draft strikes nothing through", () => {
    const cut = { text: "Something else", interrupted: true };
    const [turn] = turns(apply(spoken, event(3, "assistant_response", cut)));
    expect(turn?.unheard).toBe("");
  });
});

describe("what waits for a human", () => {
  test("a question waits from its own time until it is answered", () => {
    let call = applyAll(newCall(SID), [start, event(2, "query", { prompt: "May I?" })]);
    expect(call.question).toMatchObject({ text: "May I?", since: Date.UTC(2026, 10, 23, 9, 0, 2) });
    expect(call.phase).toBe("waiting");
    call = apply(call, event(3, "query_response", { text: "Yes" }));
    expect(call.question).toBeUndefined();
  });

  test("a second question waits behind the first", () => {
    let call = applyAll(newCall(SID), [
      start,
      event(2, "query", { prompt: "First?" }),
      event(3, "query", { prompt: "Second?" }),
    ]);
    expect(call.question?.text).toBe("First?");
    call = apply(call, event(4, "query_response", { text: "Yes" }));
    expect(call.question?.text).toBe("Second?");
    expect(call.phase).toBe("waiting");
    expect(apply(call, event(5, "query_response", { text: "No" })).question).toBeUndefined();
  });

  test("a held reply waits until it is approved or rejected, with its deadline if there is one", () => {
    const held = applyAll(newCall(SID), [
      start,
      event(2, "pending_response", { text: "Fine.", timeoutMs: 5_000 }),
    ]);
    expect(held.reply?.until).toBe((held.reply?.since ?? 0) + 5_000);
    expect(apply(held, event(3, "response_approved", { text: "Fine." })).reply).toBeUndefined();
    expect(apply(held, event(3, "response_rejected", { text: "Fine." })).reply).toBeUndefined();
  });

  test("nothing waits after the end", () => {
    const call = applyAll(newCall(SID), [
      start,
      event(2, "query", { prompt: "May I?" }),
      event(3, "session_end", { reason: "completed" }),
    ]);
    expect(call.question).toBeUndefined();
    expect(call.phase).toBe("ended");
  });

  test("a phrase spoken while a question waits does not end the waiting", () => {
    const call = applyAll(newCall("CA11111111111111111111111111111111"), recorded(debitCard));
    expect(call.phase).toBe("waiting");
    expect(call.question?.text).toContain("waive");
  });
});

test("a takeover has a holder, who may be missed and come back, or be followed by another", () => {
  const taken = (seq: number, holder: string) => event(seq, "takeover", { holder });
  let call = applyAll(newCall(SID), [start, taken(2, "ann")]);
  expect([call.takenOver, call.holder, call.unattended]).toEqual([true, "ann", undefined]);
  call = apply(call, event(3, "takeover_unattended", { holder: "ann", timeoutMs: 40_000 }));
  const since = call.lastEventAt;
  expect([call.phase, call.unattended]).toEqual(["human", { since, until: since + 40_000 }]);
  call = apply(call, event(4, "takeover_attended", { holder: "ann" }));
  expect([call.holder, call.unattended]).toEqual(["ann", undefined]);
  call = applyAll(call, [event(5, "takeover_unattended", {}), taken(6, "bob")]);
  expect([call.holder, call.unattended]).toEqual(["bob", undefined]);
  call = apply(call, event(7, "release", { by: "policy" }));
  expect([call.takenOver, call.holder, call.phase]).toEqual([false, "", "listening"]);
});

test("a human who took over keeps the call while the caller speaks", () => {
  const call = applyAll(newCall("CA33333333333333333333333333333333"), recorded(takeover));
  expect(call.takenOver).toBe(true);
  expect(call.phase).toBe("human");
  expect(turns(call).some((turn) => turn.who === "supervisor" && turn.by === "maria")).toBe(true);
});

test("a whole call leaves its figures", () => {
  const call = applyAll(newCall("CA77777777777777777777777777777777"), recorded(parcel));
  expect(call.phase).toBe("ended");
  expect(call.durationMs).toBeGreaterThan(40_000);
  expect(Object.keys(call.latency)).toHaveLength(5);
  expect(call.costUsd).toBeCloseTo(0.0165, 4);
  expect(call.tokens.inputTextTokens).toBe(3450);
  expect(call.fault?.where).toBe("model");
});

describe("a message", () => {
  test("that is not an event is nothing", () => {
    for (const bad of ["", "{", "[]", "null", "3", '{"type":"query"}', '{"callSid":"CA1"}']) {
      expect(parseEvent(bad)).toBeUndefined();
    }
  });

  test("of an unknown type is kept and counted in its place", () => {
    const call = applyAll(newCall(SID), [start, event(2, "brand_new", { anything: [1] })]);
    expect(call.seq).toBe(2);
    expect(call.items.at(-1)).toMatchObject({ kind: "note", event: { name: "brand_new" } });
  });

  test("with missing or foreign fields is read as far as it goes", () => {
    const read = toEvent({ type: "latency", callSid: "CA1", seq: 0, ms: "fast", extra: {} });
    expect(read).toEqual({
      type: "latency",
      callSid: "CA1",
      timestamp: "",
      turn: 0,
      stage: "",
      ms: 0,
    });
  });
});

test("a second question has its time once the first is settled", () => {
  const asked = applyAll(newCall(SID), [
    start,
    event(2, "query", { prompt: "One?", timeoutMs: 60_000 }),
    event(10, "query", { prompt: "early" }),
    event(3, "query", { prompt: "Two?", timeoutMs: 60_000 }),
  ]);
  expect(asked.question?.until).toBe((asked.question?.since ?? 0) + 60_000);
  const next = apply(asked, event(4, "query_response", { text: "Yes." }));
  expect(next.question).toMatchObject({ text: "Two?", reference: 3 });
  expect(next.question?.until).toBe(next.lastEventAt + 60_000);
});

test("a held reply that is asked for again is the same one", () => {
  const held = { text: "Hm.", turn: 4, timeoutMs: 30_000 };
  const first = applyAll(newCall(SID), [start, event(2, "pending_response", held)]);
  const again = apply(first, event(3, "pending_response", held));
  expect(again.reply?.since).toBe(first.reply?.since);
  expect(again.reply?.until).toBe((first.reply?.until ?? 0) + 1_000);
});

test("what was there before a batch is not touched by it", () => {
  const said = (seq: number) => event(seq, "transcript", { speaker: "caller", text: `${seq}` });
  const slow = (seq: number) => event(seq, "latency", { turn: seq, stage: "first_spoken", ms: 1 });
  const events = [said(1), slow(2), said(3), slow(4), said(5), said(6)];
  const before = applyAll(newCall(SID), events.slice(0, 1));
  const kept = structuredClone(before);
  // Two go on from the same call: event by event, and all at once in the wrong order.
  const single = events.slice(1).reduce(apply, before);
  const whole = applyAll(before, events.slice(1).reverse());
  expect(before).toEqual(kept);
  expect(single).toEqual(whole);
  expect(single.items.map((item) => item.seq)).toEqual([1, 3, 5, 6]);
  expect(single.early).toEqual([]);
  const further = apply(single, said(7));
  expect(single.items).toHaveLength(4);
  expect(further.items).toHaveLength(5);
});

test("ten thousand events may come before the one that they follow", () => {
  const events = Array.from({ length: 10_000 }, (_, at) => event(at + 1, "dtmf", { digit: "1" }));
  const early = applyAll(newCall(SID), events.slice(1));
  expect(early.early).toHaveLength(9_999);
  const call = apply(early, events[0] ?? start);
  expect(call.seq).toBe(10_000);
  expect(call.items).toHaveLength(10_000);
});
