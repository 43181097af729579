/** Checks a phone number as it is typed. The server decides; this only saves a round trip. */

export type Typed =
  | { state: "empty" }
  | { state: "incomplete" }
  | { state: "wrong"; why: "plus" | "letters" | "long" }
  | { state: "good"; number: string };

/** E.164 allows at most 15 digits; no number with its country code has fewer than 8. */
const MOST = 15;
const LEAST = 8;

export function typedNumber(input: string): Typed {
  const text = input.trim();
  if (text === "") return { state: "empty" };
  const compact = text.replace(/[\s().\-/]/g, "");
  if (!/^\+?\d*$/.test(compact)) return { state: "wrong", why: "letters" };
  if (!compact.startsWith("+") || compact.startsWith("+0")) return { state: "wrong", why: "plus" };
  const digits = compact.length - 1;
  if (digits > MOST) return { state: "wrong", why: "long" };
  return digits < LEAST ? { state: "incomplete" } : { state: "good", number: compact };
}
