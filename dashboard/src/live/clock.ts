/**
 * The page's estimate of the server's clock. Every time on the page comes from the server, so ages
 * and lengths are measured by its clock and never by the browser's, which may be minutes off and may
 * be set during a call. The estimate advances by the monotonic clock.
 */

/** A difference too large for a network delay: a clock was set, or the computer slept. */
const JUMP_MS = 1_500;
/** How much of a lag the estimate follows at once: mostly the message was only delayed. */
const SLOW = 0.05;
/** The header `Date` is in whole seconds, so on average half a second behind. */
const HALF_A_SECOND_MS = 500;

export class ServerClock {
  /** The server's time minus the monotonic time; unknown before the server has told its time. */
  private offset: number | undefined;
  /** Known only from a `Date` header so far. */
  private rough = true;
  private listeners = new Set<() => void>();
  private readonly monotonic: () => number;
  private readonly wall: () => number;

  constructor(monotonic: () => number, wall: () => number) {
    this.monotonic = monotonic;
    this.wall = wall;
  }

  /** The server's time in milliseconds since 1970; the browser's while that is unknown. */
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

  /** A response had this `Date` header, which serves until the server tells its time. */
  roughly(date: string | null): void {
    const at = Date.parse(date ?? "") + HALF_A_SECOND_MS;
    if (!this.rough || Number.isNaN(at)) return;
    const told = at - this.monotonic();
    if (this.offset === undefined || Math.abs(told - this.offset) > JUMP_MS) this.set(told);
  }

  /** Calls back when the estimate has jumped. */
  onJump(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private set(offset: number): void {
    this.offset = offset;
    for (const listener of this.listeners) listener();
  }
}

/** Milliseconds since the page was opened, for durations that begin and end in this browser. */
export const monotonic = (): number => performance.now();

export const serverClock = new ServerClock(monotonic, () => Date.now());
