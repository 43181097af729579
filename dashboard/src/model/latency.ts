/** Latencies: from stages to the one figure of a turn, and from many figures to a percentile. */

/** A reply slower than this is felt on the phone. Milliseconds. */
export const LATENCY_BUDGET_MS = 1_200;

/** Names under which a stage already is the whole turn. */
const WHOLE = ["total", "first_spoken"];

/**
 * The latency of a turn: until its first words went to the line, else its longest stage. When the
 * first words have been played, their own length is in it, so that stage is only shown.
 */
export function turnLatency(stages: Record<string, number> | undefined): number | undefined {
  if (stages === undefined) return undefined;
  for (const name of WHOLE) {
    const ms = stages[name];
    if (ms !== undefined) return ms;
  }
  const all = Object.values(stages);
  return all.length === 0 ? undefined : Math.max(...all);
}

/** The nearest-rank percentile; `undefined` of nothing. */
export function percentile(values: readonly number[], share: number): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const rank = Math.ceil(share * sorted.length) - 1;
  return sorted[Math.min(sorted.length - 1, Math.max(0, rank))];
}

/** The stages of a call in the order in which they first appeared. */
export function stagesOf(latency: Record<number, Record<string, number>>): string[] {
  const names = new Set<string>();
  for (const stages of Object.values(latency)) {
    for (const name of Object.keys(stages)) names.add(name);
  }
  return [...names];
}
