import { expect, test } from "vitest";
import type { FromPhone, ToPhone } from "./frames";
import { nextClause, Player, type Voice } from "./player";

/** A voice that speaks when the test says so. */
function stage() {
  const sent: FromPhone[] = [];
  const spoken: string[] = [];
  let now = 1_000;
  let clause: { progress: (letters: number) => void; done: () => void } | undefined;
  const voice: Voice = (text, progress, done) => {
    spoken.push(text);
    clause = { progress, done };
    return () => {
      clause = undefined;
    };
  };
  const player = new Player(
    voice,
    (frame) => sent.push(frame),
    () => {},
    () => now,
  );
  const text = (token: string, last = false, flags: Partial<ToPhone> = {}) =>
    player.text({
      type: "text",
      token,
      last,
      interruptible: true,
      preemptible: false,
      ...flags,
    } as Extract<ToPhone, { type: "text" }>);
  return {
    player,
    sent,
    spoken,
    text,
    pass: (ms: number) => {
      now += ms;
    },
    progress: (letters: number) => clause?.progress(letters),
    done: () => {
      const ended = clause;
      clause = undefined;
      ended?.done();
    },
    played: () =>
      sent.flatMap((frame) =>
        frame.type === "info" && frame.name === "tokensPlayed" ? [frame.value] : [],
      ),
  };
}

test("a reply is spoken clause by clause and each is reported once it was played", () => {
  const call = stage();
  for (const token of ["I am ", "sorry. ", "I can ", "help"]) call.text(token);
  expect(call.spoken).toEqual(["I am sorry."]);
  expect(call.played()).toEqual([]);
  call.done();
  expect(call.played()).toEqual(["I am sorry."]);
  call.text("", true);
  expect(call.spoken).toEqual(["I am sorry.", "I can help"]);
  call.done();
  expect(call.played()).toEqual(["I am sorry.", "I can help"]);
  expect(call.sent.at(0)).toEqual({ type: "info", name: "agentSpeaking", value: "on" });
  expect(call.sent.at(-1)).toEqual({ type: "info", name: "agentSpeaking", value: "off" });
});

test("an interruption tells how far the reply was heard, from its first word on", () => {
  const call = stage();
  call.text("First this. Then that, and more.", true);
  call.done();
  call.pass(900);
  call.progress(4);
  expect(call.player.interrupt()).toBe(true);
  expect(call.sent.find((frame) => frame.type === "interrupt")).toEqual({
    type: "interrupt",
    utteranceUntilInterrupt: "First this. Then",
    durationUntilInterruptMs: 900,
  });
  expect(call.player.interrupt()).toBe(false);
  call.done();
  expect(call.played()).toEqual(["First this."]);
});

test("what may not be interrupted is not", () => {
  const call = stage();
  call.text("This call is recorded.", true, { interruptible: false });
  expect(call.player.interrupt()).toBe(false);
  call.done();
  expect(call.played()).toEqual(["This call is recorded."]);
});

test("a new reply cuts off one that may be preempted, and tells what was heard of it", () => {
  const call = stage();
  call.text("One moment, I am looking it up.", true, { preemptible: true });
  call.progress(3);
  call.text("Here it is.", true);
  expect(call.played()).toEqual(["One"]);
  expect(call.spoken.at(-1)).toBe("Here it is.");
  expect(call.sent.some((frame) => frame.type === "interrupt")).toBe(false);
});

test("keys are pressed after the words before them", () => {
  const call = stage();
  call.text("Pressing one.", true);
  call.player.digits("1");
  expect(call.played()).toEqual([]);
  call.done();
  expect(call.played()).toEqual(["Pressing one.", "1"]);
});

test("words that come after an interruption are spoken, as the relay would", () => {
  const call = stage();
  call.text("A long story, ");
  call.player.interrupt();
  call.text("late.", true);
  expect(call.spoken.at(-1)).toBe("late.");
});

test("a text without punctuation is divided between words", () => {
  const clause = nextClause("word ".repeat(60), false);
  expect(clause.length).toBeLessThanOrEqual(161);
  expect(clause.endsWith(" ")).toBe(true);
  expect(nextClause("unfinished", false)).toBe("");
  expect(nextClause("finished", true)).toBe("finished");
});
