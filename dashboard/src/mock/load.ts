/** Many calls at once, or a very long one, for measuring how smooth the page stays. */
import type { MockServer } from "./server";

const WORDS =
  "thank you I can look that up for you now and it should arrive on Thursday before noon ".split(
    " ",
  );
const TOKEN_MS = 100;
const TOKENS_PER_REPLY = 40;

/**
 * Calls that each stream a word every 100 ms, endlessly. All are there at once, or they ramp up over
 * the given time in milliseconds.
 */
export function streaming(server: MockServer, count: number, rampMs: number): void {
  const sids: string[] = [];
  const begin = () => {
    const at = sids.length;
    const callSid = `CA${String(at).padStart(32, "0")}`;
    sids.push(callSid);
    server.add(callSid, "session_start", {
      from: `+1415555${String(1000 + at)}`,
      to: "+14155550100",
      direction: at % 3 === 0 ? "outbound" : "inbound",
      agent: ["assistant", "support", "scheduler"][at % 3],
    });
    if (at % 25 === 3) server.add(callSid, "query", { prompt: "May I offer a discount?" });
  };
  const began = Date.now();
  const due = () => (rampMs === 0 ? count : ((Date.now() - began) / rampMs) * count);
  while (sids.length < due()) begin();
  let tick = 0;
  setInterval(() => {
    tick += 1;
    while (sids.length < Math.min(count, due())) begin();
    sids.forEach((callSid, at) => {
      const step = (tick + at) % TOKENS_PER_REPLY;
      const turn = Math.floor((tick + at) / TOKENS_PER_REPLY);
      if (step === 0) {
        server.add(callSid, "transcript", { speaker: "caller", text: "And when?", final: true });
      } else if (step === TOKENS_PER_REPLY - 1) {
        server.add(callSid, "latency", { turn, stage: "total", ms: 400 + ((at * 37) % 500) });
        const text = WORDS.join(" ");
        server.add(callSid, "assistant_response", { text, interrupted: false, turn });
      } else {
        server.words(callSid, { type: "assistant_delta", text: `${WORDS[step % WORDS.length]} ` });
      }
    });
  }, TOKEN_MS);
}

/** How many turns one task makes: the stand-in must not block the page. */
const TURNS_AT_ONCE = 50;

/** One call of very many turns. */
export function longCall(server: MockServer, turns: number): void {
  const callSid = "CA88888888888888888888888888888888";
  server.add(callSid, "session_start", {
    from: "+14155550188",
    to: "+14155550100",
    direction: "inbound",
    agent: "assistant",
  });
  addTurns(server, callSid, 1, turns);
}

function addTurns(server: MockServer, callSid: string, from: number, to: number): void {
  const end = Math.min(to, from + TURNS_AT_ONCE - 1);
  for (let turn = from; turn <= end; turn += 1) {
    const text = `${WORDS.join(" ").repeat(1 + (turn % 4))}(${turn})`;
    if (turn % 2 === 1) {
      server.add(callSid, "transcript", { speaker: "caller", text, final: true });
      continue;
    }
    for (const [stage, ms] of [
      ["first_token", 310],
      ["first_spoken", 420],
      ["first_played", 690],
    ] as const) {
      server.add(callSid, "latency", { turn, stage, ms: ms + ((turn * 37) % 400) });
    }
    server.add(callSid, "usage", { turn, inputTokens: 900, outputTokens: 60, costUsd: 0.002 });
    server.add(callSid, "assistant_heard", { text: text.slice(0, 30), source: "model", turn });
    server.add(callSid, "assistant_response", { text, interrupted: false, turn });
  }
  if (end < to) setTimeout(() => addTurns(server, callSid, end + 1, to));
}
