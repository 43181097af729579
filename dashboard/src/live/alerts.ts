/** A sound and a desktop notification when a call begins to wait for a human. */
import { go, paths } from "../app/router";
import { settings } from "../app/settings";
import { isUnanswered, waits } from "../model/attention";
import { t } from "../texts";
import { store } from "./index";

/** Asks for leave to notify; false if there is none. The sound works without. */
export async function allowAlerts(): Promise<boolean> {
  chime();
  if (!("Notification" in window)) return false;
  if (Notification.permission !== "default") return Notification.permission === "granted";
  return (await Notification.requestPermission()) === "granted";
}

/** Watches the calls; returns how to stop. */
export function watch(): () => void {
  let known = waiting();
  return store.subscribeAll(() => {
    const now = waiting();
    const fresh = [...now.values()].filter(({ key }) => !known.has(key));
    known = now;
    const [first] = fresh;
    if (!settings().alerts || first === undefined) return;
    chime();
    const away = document.hidden || !document.hasFocus();
    if (away && "Notification" in window && Notification.permission === "granted") {
      notify(first, fresh.length);
    }
  });
}

/** One notification for all that came at once; a click on it leads to the first call. */
function notify({ callSid, text }: Wait, count: number): void {
  const title = count === 1 ? t.alert.title : t.alert.titles(count);
  const shown = new Notification(title, { body: text, tag: "phony-waiting" });
  shown.onclick = () => {
    window.focus();
    go(paths.call(callSid));
    shown.close();
  };
}

interface Wait {
  /** The call, what waits, and when it began. */
  key: string;
  callSid: string;
  text: string;
}

/** What waits now. */
function waiting(): Map<string, Wait> {
  const found = new Map<string, Wait>();
  const add = (callSid: string, what: string, text: string) => {
    const key = `${callSid} ${what}`;
    found.set(key, { key, callSid, text });
  };
  for (const call of store.values()) {
    if (!waits(call)) continue;
    const { callSid, question, reply, unattended, unanswered } = call;
    if (question) add(callSid, `q ${question.since}`, t.alert.question(question.text));
    if (reply) add(callSid, `r ${reply.since}`, t.alert.reply(reply.text));
    if (unattended) add(callSid, `u ${unattended.since}`, t.alert.abandoned);
    if (isUnanswered(call)) add(callSid, `n ${unanswered.since}`, t.alert.unanswered);
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
