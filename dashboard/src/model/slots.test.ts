import { expect, test } from "vitest";
import { filled, given, label, missing } from "./slots";

const slots = [{ name: "business", default: "the office" }, { name: "date_of_visit" }];

test("a text shows what was typed, else the default, else the slot", () => {
  const text = "For {business} on {date_of_visit}.";
  expect(filled(text, slots, {})).toBe("For the office on {date_of_visit}.");
  expect(filled(text, slots, { business: "Ada’s", date_of_visit: " Friday " })).toBe(
    "For Ada’s on Friday.",
  );
  expect(filled("{business}", slots, { business: "{date_of_visit}" })).toBe("{date_of_visit}");
});

test("a slot without a default must be filled", () => {
  expect(missing(slots, {}).map((slot) => slot.name)).toEqual(["date_of_visit"]);
  expect(missing(slots, { date_of_visit: "Friday" })).toEqual([]);
});

test("only what belongs to the scenario and was typed is sent", () => {
  expect(given(slots, { business: " ", date_of_visit: "Friday", other: "x" })).toEqual({
    date_of_visit: "Friday",
  });
});

test("a slot is named as people would", () => {
  expect(label("date_of_visit")).toBe("Date of visit");
});
