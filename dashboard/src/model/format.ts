/** Formats numbers, times and durations. */

/** `0:07`, `12:34`, `1:02:03`. Never negative. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = two(seconds % 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** `20 s`, `3 min`, `2 h`: an age in its largest unit. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

/** `812 ms`, `1.4 s`. */
export function delay(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Dollars, with four digits for small amounts. */
export function dollars(usd: number): string {
  const digits = usd !== 0 && Math.abs(usd) < 0.1 ? 4 : 2;
  return `$${usd.toFixed(digits)}`;
}

/** All but the last four digits hidden: `••• 0123`. */
export function masked(number: string): string {
  const digits = number.replace(/\D/g, "");
  return digits.length <= 4 ? number : `••• ${digits.slice(-4)}`;
}

/** A number of the North American plan in its usual groups, any other as it is. */
export function grouped(number: string): string {
  const parts = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(number);
  return parts ? `+1 ${parts[1]} ${parts[2]} ${parts[3]}` : number;
}

/** The time of day, `14:03:22`. */
export function timeOfDay(at: number): string {
  return at === 0 ? "" : new Date(at).toLocaleTimeString("en-GB");
}

/** `23 Nov, 14:03`, or with the year if it is another. */
export function dateAndTime(at: number, now: number): string {
  if (at === 0 || Number.isNaN(at)) return "";
  const date = new Date(at);
  const year = date.getFullYear() === new Date(now).getFullYear() ? undefined : "numeric";
  return date.toLocaleString("en-GB", {
    day: "numeric",
    month: "short",
    year,
    hour: "2-digit",
    minute: "2-digit",
  });
}
