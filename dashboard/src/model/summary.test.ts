import { expect, test } from "vitest";
import { toEvent } from "../api/events";
import debitCard from "../fixtures/debit_card.json";
import parcel from "../fixtures/parcel.json";
import { newCall } from "./call";
import { applyAll } from "./reducer";
import { summary } from "./summary";

function played(recording: unknown[]) {
  const events = recording.map(toEvent).filter((event) => event !== undefined);
  return applyAll(newCall(events[0]?.callSid ?? ""), events);
}

test("a call is summed up by what happened in it", () => {
  const call = played(parcel);
  expect(summary(call)).toMatchObject({ interruptions: 1, questions: 1, answered: 1, faults: 1 });
});

test("a question that nobody has answered yet is not called answered", () => {
  expect(summary(played(debitCard))).toMatchObject({ questions: 1, answered: 0, whispers: 1 });
});
