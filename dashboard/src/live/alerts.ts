/** A sound and a desktop notification when a call begins to wait for a human. */
import { settings } from "../app/settings";
import { waits } from "../model/attention";
import { t } from "../texts";
import { store } from "./index";

/** Asks for leave to notify. The sound works without. */
export async function allowAlerts(): Promise<void> {
  if ("Notification" in window && Notification.permission === "default") {
    await Notification.requestPermission();
  }
  chime();
}

/** Watches the calls; returns how to stop. */
export function watch(): () => void {
  let known = waiting();
  return store.subscribeAll(() => {
    const now = waiting();
    const fresh = [...now].filter(([key]) => !known.has(key));
    known = now;
    if (!settings().alerts || fresh.length === 0) return;
    chime();
    const text = fresh[0]?.[1] ?? "";
    if (document.hidden && "Notification" in window && Notification.permission === "granted") {
      new Notification(t.alert.title, { body: text, tag: "phony-waiting" });
    }
  });
}

/** What waits now, by call and by when it began. */
function waiting(): Map<string, string> {
  const found = new Map<string, string>();
  for (const call of store.values()) {
    if (!waits(call)) continue;
    if (call.question) {
      found.set(`${call.callSid} q ${call.question.since}`, t.alert.question(call.question.text));
    }
    if (call.reply) {
      found.set(`${call.callSid} r ${call.reply.since}`, t.alert.reply(call.reply.text));
    }
  }
  return found;
}

let audio: AudioContext | undefined;

/** Two soft notes, rising. */
function chime(): void {
  try {
    audio ??= new AudioContext();
    const start = audio.currentTime;
    for (const [at, frequency] of [
      [0, 659],
      [0.16, 880],
    ] as const) {
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      tone.frequency.value = frequency;
      volume.gain.setValueAtTime(0, start + at);
      volume.gain.linearRampToValueAtTime(0.12, start + at + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.001, start + at + 0.4);
      tone.connect(volume).connect(audio.destination);
      tone.start(start + at);
      tone.stop(start + at + 0.45);
    }
  } catch {
    // No sound device: the notification and the page itself remain.
  }
}
