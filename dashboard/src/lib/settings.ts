/** The supervisor's settings, kept in this browser. */
import { useSyncExternalStore } from "react";

export interface Settings {
  /** Phone numbers show only their last four digits until hovered. */
  masked: boolean;
  /** A sound and a desktop notification when a call starts to wait. */
  alerts: boolean;
  /** The softphone's voice, by the browser's name for it; empty for none. */
  voice: string;
}

const KEY = "phony.settings";
const DEFAULTS: Settings = { masked: true, alerts: false, voice: "" };

let current = load();
const listeners = new Set<() => void>();

export function settings(): Settings {
  return current;
}

export function change(changes: Partial<Settings>): void {
  current = { ...current, ...changes };
  try {
    localStorage.setItem(KEY, JSON.stringify(current));
  } catch {
    // No storage (private window): the choice lasts as long as the page.
  }
  for (const listener of listeners) listener();
}

export function useSettings(): Settings {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, settings);
}

function load(): Settings {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Settings>;
    return { ...DEFAULTS, ...stored };
  } catch {
    return DEFAULTS;
  }
}
