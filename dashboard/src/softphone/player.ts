/**
 * What the caller hears: replies are queued, spoken clause by clause, and reported once they have
 * been played, as the relay does it. Only what was played counts as heard.
 */
import type { FromPhone, ToPhone } from "./frames";

/**
 * Speaks one clause, and reports how many letters have been spoken and when it is done. The returned
 * function stops it.
 */
export type Voice = (
  text: string,
  progress: (letters: number) => void,
  done: () => void,
) => () => void;

interface Speech {
  kind: "speech";
  text: string;
  /** How many letters have been played, clause by clause. */
  played: number;
  /** Its text is complete. */
  closed: boolean;
  interruptible: boolean;
  preemptible: boolean;
  /** When its first word was spoken; 0 before. */
  since: number;
}

interface Keys {
  kind: "keys";
  digits: string;
}

interface Clause {
  text: string;
  progress: number;
  stop: () => void;
}

/** The longest stretch spoken at once in a text without punctuation, in letters. */
const LONGEST = 160;
const CLAUSE_END = /[.!?;:,…—]["')\]]*\s/g;

export class Player {
  private queue: (Speech | Keys)[] = [];
  private clause: Clause | undefined;
  /** The newest reply may still grow. */
  private open = false;
  private sounding = false;
  voice: Voice;
  private readonly send: (frame: FromPhone) => void;
  private readonly changed: () => void;
  private readonly now: () => number;

  constructor(
    voice: Voice,
    send: (frame: FromPhone) => void,
    changed: () => void,
    now: () => number,
  ) {
    this.voice = voice;
    this.send = send;
    this.changed = changed;
    this.now = now;
  }

  /** The clause being spoken: what has been said of it, and the rest. */
  get caption(): { said: string; rest: string } | undefined {
    if (!this.clause) return undefined;
    const { text, progress } = this.clause;
    return { said: text.slice(0, progress), rest: text.slice(progress) };
  }

  text(frame: Extract<ToPhone, { type: "text" }>): void {
    const { token, last, interruptible, preemptible } = frame;
    if (!this.open && token !== "") this.preempt();
    let item = this.queue.at(-1);
    if (!this.open || item?.kind !== "speech" || item.closed) {
      if (token === "") {
        this.open = false;
        return;
      }
      item = { ...EMPTY };
      this.queue.push(item);
    }
    item.text += token;
    item.interruptible = interruptible;
    item.preemptible = preemptible;
    item.closed = last;
    this.open = !last;
    this.go();
  }

  digits(digits: string): void {
    const item = this.queue.at(-1);
    if (item?.kind === "speech") item.closed = true;
    this.open = false;
    this.queue.push({ kind: "keys", digits });
    this.go();
  }

  /** The caller interrupts: everything is dropped. False if nothing was being spoken. */
  interrupt(): boolean {
    const item = this.queue[0];
    const audible = this.clause !== undefined || (item?.kind === "speech" && item.played > 0);
    if (item?.kind !== "speech" || !audible || !item.interruptible) return false;
    const heard = this.heard(item);
    const ms = item.since === 0 ? 0 : Math.max(0, Math.round(this.now() - item.since));
    this.stop();
    this.send({
      type: "interrupt",
      utteranceUntilInterrupt: heard,
      durationUntilInterruptMs: ms,
    });
    return true;
  }

  /** Falls silent and drops the queue; nothing more is reported of it. */
  stop(): void {
    this.clause?.stop();
    this.clause = undefined;
    this.queue = [];
    this.open = false;
    this.quiet();
    this.changed();
  }

  /** A new reply drops the preemptible ones before it; what was heard of them is reported. */
  private preempt(): void {
    const current = this.queue[0];
    if (current?.kind === "speech" && current.preemptible) {
      const part = this.clause?.text.slice(0, this.clause.progress).trim() ?? "";
      this.clause?.stop();
      this.clause = undefined;
      if (part !== "") this.played(part);
    }
    this.queue = this.queue.filter((item) => item.kind === "keys" || !item.preemptible);
  }

  private go(): void {
    while (this.clause === undefined) {
      const item = this.queue[0];
      if (item === undefined) break;
      if (item.kind === "keys") {
        this.queue.shift();
        this.played(item.digits);
        continue;
      }
      const rest = item.text.slice(item.played);
      const clause = nextClause(rest, item.closed);
      if (clause !== "") {
        this.speak(item, clause);
        continue;
      }
      if (!item.closed) break;
      this.queue.shift();
    }
    if (this.queue.length === 0) this.quiet();
    this.changed();
  }

  private speak(item: Speech, text: string): void {
    const words = text.trim();
    const skip = text.length - text.trimStart().length;
    if (words === "") {
      item.played += text.length;
      return;
    }
    if (!this.sounding) {
      this.sounding = true;
      this.send({ type: "info", name: "agentSpeaking", value: "on" });
    }
    item.since ||= this.now();
    const clause: Clause = { text, progress: 0, stop: () => {} };
    this.clause = clause;
    const stop = this.voice(
      words,
      (letters) => {
        if (this.clause !== clause) return;
        clause.progress = Math.min(text.length, skip + letters);
        this.changed();
      },
      () => {
        if (this.clause !== clause) return;
        this.clause = undefined;
        item.played += text.length;
        this.played(words);
        this.go();
      },
    );
    clause.stop = stop;
  }

  private heard(item: Speech): string {
    return item.text.slice(0, item.played + (this.clause?.progress ?? 0)).trim();
  }

  private played(value: string): void {
    this.send({ type: "info", name: "tokensPlayed", value });
  }

  private quiet(): void {
    if (!this.sounding) return;
    this.sounding = false;
    this.send({ type: "info", name: "agentSpeaking", value: "off" });
  }
}

const EMPTY: Speech = {
  kind: "speech",
  text: "",
  played: 0,
  closed: false,
  interruptible: true,
  preemptible: false,
  since: 0,
};

/** The next stretch to speak: up to the end of a clause, or all of a complete text. */
export function nextClause(rest: string, closed: boolean): string {
  CLAUSE_END.lastIndex = 0;
  const end = CLAUSE_END.exec(rest);
  if (end) return rest.slice(0, end.index + end[0].length);
  if (rest.length > LONGEST) {
    const space = rest.lastIndexOf(" ", LONGEST);
    return rest.slice(0, space > 0 ? space + 1 : LONGEST);
  }
  return closed ? rest : "";
}
