import { expect, test } from "vitest";
import { age, clock, delay, dollars, grouped, masked } from "./format";
import { percentile, stagesOf, turnLatency } from "./latency";
import { typedNumber } from "./phoneNumber";

test("lengths are read like a clock and never negative", () => {
  expect([clock(-5), clock(7_900), clock(754_000), clock(3_723_000)]).toEqual([
    "0:00",
    "0:07",
    "12:34",
    "1:02:03",
  ]);
});

test("ages, delays and money have a unit that fits", () => {
  expect([age(20_000), age(180_000), age(7_200_000)]).toEqual(["20 s", "3 min", "2 h"]);
  expect([delay(812.4), delay(1_430)]).toEqual(["812 ms", "1.4 s"]);
  expect([dollars(0), dollars(0.0087), dollars(12.5)]).toEqual(["$0.00", "$0.0087", "$12.50"]);
});

test("a masked number shows its last four digits and no more", () => {
  expect(masked("+14155550142")).toBe("••• 0142");
  expect(masked("anonymous")).toBe("anonymous");
  expect(grouped("+14155550142")).toBe("+1 415 555 0142");
  expect(grouped("+442079460958")).toBe("+442079460958");
});

test("a number is judged while it is typed", () => {
  expect(typedNumber("")).toEqual({ state: "empty" });
  expect(typedNumber("+1 415")).toEqual({ state: "incomplete" });
  expect(typedNumber("+1 (415) 555-0142")).toEqual({ state: "good", number: "+14155550142" });
  expect(typedNumber("0415 555 0142")).toEqual({ state: "wrong", why: "plus" });
  expect(typedNumber("+1 call me")).toEqual({ state: "wrong", why: "letters" });
  expect(typedNumber("+1234567890123456")).toEqual({ state: "wrong", why: "long" });
});

test("a turn's latency ends with its first words sent, or else with its longest stage", () => {
  expect(turnLatency({ first_token: 300, first_spoken: 650, first_played: 1800 })).toBe(650);
  expect(turnLatency({ first_token: 300, speech: 420 })).toBe(420);
  expect(turnLatency(undefined)).toBeUndefined();
  expect(stagesOf({ 1: { a: 1 }, 2: { a: 1, b: 2 } })).toEqual(["a", "b"]);
});

test("a percentile is one of the values", () => {
  expect(percentile([], 0.95)).toBeUndefined();
  expect(percentile([5], 0.95)).toBe(5);
  expect(percentile([4, 1, 3, 2], 0.5)).toBe(2);
  expect(percentile([4, 1, 3, 2], 0.95)).toBe(4);
});
