/** The slots of a scenario's texts: `{name}`. */
import type { Slot } from "../api/types";

export type Values = Record<string, string>;

/** A text with its slots filled: by what was typed, else by the default, else left as it is. */
export function filled(text: string, slots: readonly Slot[], values: Values): string {
  return text.replace(/\{(\w[\w-]*)\}/g, (whole, name: string) => {
    const typed = values[name]?.trim();
    return typed || slots.find((slot) => slot.name === name)?.default || whole;
  });
}

/** Slots that must be filled and are not. */
export function missing(slots: readonly Slot[], values: Values): Slot[] {
  return slots.filter((slot) => slot.default == null && !values[slot.name]?.trim());
}

/** What was typed into this scenario's slots, and nothing else. */
export function given(slots: readonly Slot[], values: Values): Values {
  const typed = slots.map(({ name }) => [name, values[name]?.trim() ?? ""] as const);
  return Object.fromEntries(typed.filter(([, value]) => value !== ""));
}

/** `date_of_birth` → `Date of birth`. */
export function label(name: string): string {
  const words = name.replace(/[_-]+/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
