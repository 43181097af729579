/**
 * The server's clock, as far as the page knows it. Every time that is shown was told by the server,
 * so ages and lengths are counted by its clock and never by the browser's, which may be minutes off
 * and may be set while a call goes on. Time passes by the monotonic clock, which nobody sets.
 */

/** A difference that is no delay on the way: a clock was set, or the computer slept. */
const JUMP_MS = 1_500;
/** How far a later time moves the estimate back: mostly it has only been longer on the way. */
const SLOW = 0.05;
/** The header `Date` has whole seconds. */
const HALF_A_SECOND_MS = 500;

export class ServerClock {
  /** The server's time less the monotonic one; unknown before the server has told its time. */
  private offset: number | undefined;
  /** It is known from a header alone. */
  private rough = true;
  private listeners = new Set<() => void>();
  private readonly monotonic: () => number;
  private readonly wall: () => number;

  constructor(monotonic: () => number, wall: () => number) {
    this.monotonic = monotonic;
    this.wall = wall;
  }

  /** The server's time, in milliseconds since 1970; the browser's as long as it is unknown. */
  now = (): number => (this.offset === undefined ? this.wall() : this.monotonic() + this.offset);

  /** The server has just told its time. */
  heard(at: number): void {
    if (!Number.isFinite(at)) return;
    const told = at - this.monotonic();
    const known = this.rough ? undefined : this.offset;
    this.rough = false;
    if (known === undefined || Math.abs(told - known) > JUMP_MS) this.set(told);
    else this.offset = told > known ? told : known + (told - known) * SLOW;
  }

  /** An answer had this header `Date`: it will do until the server tells its time. */
  roughly(date: string | null): void {
    const at = Date.parse(date ?? "") + HALF_A_SECOND_MS;
    if (!this.rough || Number.isNaN(at)) return;
    const told = at - this.monotonic();
    if (this.offset === undefined || Math.abs(told - this.offset) > JUMP_MS) this.set(told);
  }

  /** Calls back when what is shown must be counted anew. */
  onJump(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private set(offset: number): void {
    this.offset = offset;
    for (const listener of this.listeners) listener();
  }
}

/** Milliseconds since the page began: for lengths that begin and end in this browser. */
export const monotonic = (): number => performance.now();

export const serverClock = new ServerClock(monotonic, () => Date.now());
