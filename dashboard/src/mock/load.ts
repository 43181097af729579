/** Many calls at once, or one very long one: for measuring that the page stays smooth. */
import type { MockServer } from "./server";

const WORDS =
  "thank you I can look that up for you now and it should arrive on Thursday before noon ".split(
    " ",
  );
const TOKEN_MS = 100;
const TOKENS_PER_REPLY = 40;

/** Calls whose replies stream a word every tenth of a second each, forever. */
export function streaming(server: MockServer, count: number): void {
  const sids = Array.from({ length: count }, (_, at) => `CA${String(at).padStart(32, "0")}`);
  sids.forEach((callSid, at) => {
    server.add(callSid, "session_start", {
      from: `+1415555${String(1000 + at)}`,
      to: "+14155550100",
      direction: at % 3 === 0 ? "outbound" : "inbound",
      agent: ["assistant", "support", "scheduler"][at % 3],
    });
    if (at % 25 === 3) server.add(callSid, "query", { prompt: "May I offer a discount?" });
  });
  let tick = 0;
  setInterval(() => {
    tick += 1;
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

/** One call of very many turns. */
export function longCall(server: MockServer, turns: number): void {
  const callSid = "CA88888888888888888888888888888888";
  server.add(callSid, "session_start", {
    from: "+14155550188",
    to: "+14155550100",
    direction: "inbound",
    agent: "assistant",
  });
  for (let turn = 1; turn <= turns; turn += 1) {
    const text = `${WORDS.join(" ").repeat(1 + (turn % 4))}(${turn})`;
    if (turn % 2 === 1) server.add(callSid, "transcript", { speaker: "caller", text, final: true });
    else server.add(callSid, "assistant_response", { text, interrupted: false, turn });
  }
}
