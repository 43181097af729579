import { expect, test } from "vitest";
import { toEvent } from "../api/events";
import parcel from "../fixtures/parcel.json";
import { newCall } from "../model/call";
import { applyAll } from "../model/reducer";
import { summary } from "../model/summary";
import { t } from "./index";

test("the summary of a call tells what happened in it, and nothing else", () => {
  const events = parcel.map(toEvent).filter((event) => event !== undefined);
  const call = applyAll(newCall(events[0]?.callSid ?? ""), events);
  const text = t.record.summary(call, summary(call));
  expect(text).toContain("0:48 with agent assistant");
  expect(text).toContain("The AI asked a human 1 time; 1 answered.");
  expect(text).not.toContain("took over");
});
