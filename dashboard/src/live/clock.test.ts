import { expect, test } from "vitest";
import { ServerClock } from "./clock";

const SEVEN_MINUTES = 7 * 60_000;
const NOON = Date.parse("2026-11-23T12:00:00Z");

/** A browser whose clock is so much off, and the true time. */
function browser(off: number) {
  const state = { passed: 0, off };
  const clock = new ServerClock(
    () => state.passed,
    () => NOON + state.passed + state.off,
  );
  return { state, clock, server: () => NOON + state.passed };
}

test.each([SEVEN_MINUTES, -SEVEN_MINUTES, 0])(
  "a browser's clock that is %i ms off is no matter",
  (off) => {
    const { state, clock, server } = browser(off);
    expect(clock.now()).toBe(server() + off);
    clock.heard(server());
    state.passed += 90_000;
    expect(clock.now()).toBe(server());
  },
);

test("a browser's clock that is set in the middle of a call changes nothing", () => {
  const { state, clock, server } = browser(0);
  clock.heard(server());
  state.off = SEVEN_MINUTES;
  expect(clock.now()).toBe(server());
  state.off = -SEVEN_MINUTES;
  expect(clock.now()).toBe(server());
});

test("when the server's clock is set, or the computer has slept, the next frame corrects it", () => {
  const { clock, server } = browser(0);
  let jumps = 0;
  clock.onJump(() => {
    jumps += 1;
  });
  clock.heard(server());
  for (const set of [SEVEN_MINUTES, -SEVEN_MINUTES, 0]) {
    clock.heard(server() + set);
    expect(clock.now()).toBe(server() + set);
  }
  expect(jumps).toBe(4);
});

test("frames that were long on the way do not make the clock tremble", () => {
  const { state, clock, server } = browser(0);
  clock.heard(server() - 300);
  clock.heard(server() - 20);
  expect(server() - clock.now()).toBe(20);
  for (let at = 0; at < 5; at += 1) {
    state.passed += 10_000;
    clock.heard(server() - 400);
    expect(server() - clock.now()).toBeLessThan(120);
  }
});

test("a header's whole seconds do until the server tells its time, and not after", () => {
  const { clock, server } = browser(SEVEN_MINUTES);
  clock.roughly(new Date(server()).toUTCString());
  expect(Math.abs(clock.now() - server())).toBeLessThanOrEqual(500);
  clock.roughly(null);
  clock.roughly("nonsense");
  clock.heard(server());
  expect(clock.now()).toBe(server());
  clock.roughly(new Date(server() + SEVEN_MINUTES).toUTCString());
  clock.heard(Number.NaN);
  expect(clock.now()).toBe(server());
});
