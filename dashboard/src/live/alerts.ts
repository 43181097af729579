/** A sound and a notification when a call begins to wait for a human. */
import { go, paths } from "../lib/router";
import { settings } from "../lib/settings";
import { isUnanswered, waits } from "../model/attention";
import { t } from "../texts/index";
import { store } from "./index";
import { mayNotify, notify } from "./notifications";
import { chime, enableSound } from "./sound";

/** Asks for permission to notify; false if it is refused. The sound works without it. */
export async function allowAlerts(): Promise<boolean> {
  enableSound(true);
  chime();
  if (!("Notification" in window)) return false;
  if (Notification.permission !== "default") return Notification.permission === "granted";
  return (await Notification.requestPermission()) === "granted";
}

/** Alerts have been switched off. */
export function endAlerts(): void {
  enableSound(false);
}

/** Alerts whenever a call begins to wait; returns a function that stops it. */
export function watch(): () => void {
  let known = waiting();
  enableSound(settings().alerts);
  return store.subscribeAll(() => {
    const now = waiting();
    const fresh = [...now.values()].filter(({ key }) => !known.has(key));
    known = now;
    const [first] = fresh;
    if (!settings().alerts || first === undefined) return;
    chime();
    const away = document.hidden || !document.hasFocus();
    if (!away || !mayNotify()) return;
    // One for all that came together; it opens the first call.
    const title = fresh.length === 1 ? t.alert.title : t.alert.titles(fresh.length);
    const path = paths.call(first.callSid);
    void notify({ title, body: first.text, tag: "phony-waiting", path }, go);
  });
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
