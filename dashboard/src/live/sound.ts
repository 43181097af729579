/**
 * The sound of alerts. Browsers keep a page silent until the user has interacted with it. While that
 * blocks alerts, the page says so, and any click or key, or a button, unblocks it.
 */
import { useSyncExternalStore } from "react";

/** Two soft notes, rising: seconds from now, and hertz. */
const NOTES = [
  [0, 659],
  [0.16, 880],
] as const;
const TOUCHES = ["click", "keydown"] as const;
/** The banner goes this long after the click, or it would move what is being clicked. */
const AFTER_TOUCH_MS = 400;

let audio: AudioContext | undefined;
let wanted = false;
let blocked = false;
/** A chime waits for the browser to unblock sound; several would all sound at once. */
let waits = false;
const listeners = new Set<() => void>();

/** Plays two soft notes, now or as soon as the browser allows. */
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

/** Switches the sound of alerts on or off. */
export function enableSound(on: boolean): void {
  wanted = on;
  for (const touch of TOUCHES) {
    if (on) window.addEventListener(touch, wake, { capture: true, passive: true });
    else window.removeEventListener(touch, wake, { capture: true });
  }
  if (on) opened();
  changed();
}

/** Whether the sound is switched on and the browser blocks it. */
export function useSoundBlocked(): boolean {
  return useSyncExternalStore(subscribe, () => blocked);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Whether the sound is switched on and the browser blocks it at this moment. */
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
