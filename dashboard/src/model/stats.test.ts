import { expect, test } from "vitest";
import { type Condition, conditions, type Subsystem } from "./stats";

const seen: Record<Subsystem, Condition> = { model: "good", carrier: "good", store: "good" };

test("a list that cannot be written is the store's trouble, whatever numbers are told of", () => {
  const reason = "the do-not-call list cannot be written: /data/x: no; 2 numbers are kept";
  expect(conditions(seen, reason, [])).toEqual({ ...seen, store: "trouble" });
  const unknown: Record<Subsystem, Condition> = { ...seen, store: "unknown" };
  const found = conditions(unknown, "", [{ id: "do_not_call", level: "fail" }]);
  expect(found.store).toBe("trouble");
});
