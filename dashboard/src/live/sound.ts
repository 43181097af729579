/**
 * The page's own sound. Browsers keep a page silent until somebody has touched it: then whoever
 * relies on the sound is told so, and any touch of the page, or a button, lets it sound.
 */
import { useSyncExternalStore } from "react";

/** Two soft notes, rising: seconds from now, and hertz. */
const NOTES = [
  [0, 659],
  [0.16, 880],
] as const;
const TOUCHES = ["click", "keydown"] as const;
/** What says that the sound is held back goes after the touch, or it would move what is touched. */
const AFTER_TOUCH_MS = 400;

let audio: AudioContext | undefined;
let wanted = false;
let blocked = false;
/** A chime waits for the browser to let it sound; more than one would sound at once. */
let waits = false;
const listeners = new Set<() => void>();

/** Two soft notes, now or as soon as the browser lets them sound. */
export function chime(): void {
  const context = opened();
  if (!context) return;
  if (context.state === "running") {
    play(context);
    return;
  }
  if (waits) return;
  waits = true;
  context.resume().then(
    () => {
      waits = false;
      play(context);
    },
    () => {
      waits = false;
    },
  );
}

/** From now on somebody relies on the sound, or nobody does any more. */
export function relyOnSound(on: boolean): void {
  wanted = on;
  for (const touch of TOUCHES) {
    if (on) window.addEventListener(touch, wake, { capture: true, passive: true });
    else window.removeEventListener(touch, wake, { capture: true });
  }
  if (on) opened();
  changed();
}

/** Whether somebody relies on the sound and the browser holds it back. */
export function useSoundBlocked(): boolean {
  return useSyncExternalStore(subscribe, () => blocked);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Whether the browser holds the sound back that somebody relies on. */
const held = (): boolean => wanted && audio !== undefined && audio.state !== "running";

function changed(): void {
  if (held()) show(true);
  else setTimeout(() => show(held()), AFTER_TOUCH_MS);
}

function show(next: boolean): void {
  if (next === blocked) return;
  blocked = next;
  for (const listener of listeners) listener();
}

function wake(): void {
  if (audio && audio.state !== "running") void audio.resume().catch(() => {});
}

function opened(): AudioContext | undefined {
  try {
    if (!audio) {
      audio = new AudioContext();
      audio.onstatechange = changed;
    }
    return audio;
  } catch {
    // No sound device: the notification and the page itself remain.
    return undefined;
  }
}

function play(context: AudioContext): void {
  const start = context.currentTime;
  for (const [at, frequency] of NOTES) {
    const tone = context.createOscillator();
    const volume = context.createGain();
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0, start + at);
    volume.gain.linearRampToValueAtTime(0.12, start + at + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.001, start + at + 0.4);
    tone.connect(volume).connect(context.destination);
    tone.start(start + at);
    tone.stop(start + at + 0.45);
  }
}
