import { expect, test } from "vitest";
import { toEvent } from "../api/events";
import { newCall } from "./call";
import { applyAll } from "./reducer";
import { settledQuestion, settledReply } from "./settled";

const SID = "CA00000000000000000000000000000001";

function call(...raw: Record<string, unknown>[]) {
  const events = raw.map((fields, at) =>
    toEvent({ callSid: SID, seq: at + 1, timestamp: "2026-11-23T09:00:00Z", ...fields }),
  );
  return applyAll(
    newCall(SID),
    events.filter((event) => event !== undefined),
  );
}

test("each question finds its own answer, and none while it waits", () => {
  const asked = call(
    { type: "query", prompt: "May I?" },
    { type: "query", prompt: "And this?" },
    { type: "query_response", text: "Yes.", by: "supervisor" },
  );
  expect(settledQuestion(asked, 1)).toMatchObject({ how: "answered", text: "Yes." });
  expect(settledQuestion(asked, 2)).toBeUndefined();
  expect(settledQuestion(asked, undefined)).toBeUndefined();
});

test("a question that nobody answered in time was settled by the rules", () => {
  const asked = call(
    { type: "query", prompt: "May I?" },
    { type: "query_response", text: "", answered: false, by: "policy" },
  );
  expect(settledQuestion(asked, 1)).toMatchObject({ how: "unanswered", by: "policy" });
});

test("a held reply that was rejected and came again waits again", () => {
  const held = { type: "pending_response", text: "No.", turn: 1 };
  const rejected = { type: "response_rejected", text: "Too curt.", by: "supervisor" };
  expect(settledReply(call(held), 1)).toBeUndefined();
  expect(settledReply(call(held, rejected), 1)).toMatchObject({ how: "rejected" });
  expect(settledReply(call(held, rejected, held), 1)).toBeUndefined();
  const approved = { type: "response_approved", text: "Yes.", by: "supervisor" };
  const other = { type: "pending_response", text: "Yes.", turn: 2 };
  expect(settledReply(call(held, rejected, other, approved), 2)).toMatchObject({ text: "Yes." });
  expect(settledReply(call(held, rejected, other, approved), 1)).toMatchObject({ how: "rejected" });
});
