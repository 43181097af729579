/** The page of one call: its transcript, the supervisor’s controls, its record. */
import type { Call } from "../model/call";
import { clock, delay, grouped, timeOfDay } from "../model/format";
import type { Settled } from "../model/settled";
import type { Summary } from "../model/summary";
import { count } from "./count";
import { endReason } from "./events";

/** A call in a few sentences; what did not happen is not told. */
function summaryText(call: Call, of: Summary): string {
  const direction = call.direction === "outbound" ? "Outbound call" : "Inbound call";
  const held = call.carrier === "softphone" ? `${direction} from the softphone` : direction;
  const human = [
    of.said > 0 && `spoke ${count(of.said, "time", "times")}`,
    of.whispers > 0 && `whispered ${count(of.whispers, "time", "times")}`,
    of.takeovers > 0 && `took over ${count(of.takeovers, "time", "times")}`,
    of.approved > 0 && `let ${count(of.approved, "held reply", "held replies")} go`,
    of.rejected > 0 && `rejected ${of.rejected}`,
  ].filter(Boolean);
  return [
    `${held}, ${clock(call.durationMs)} with agent ${call.agent}: the caller spoke ${count(of.callerTurns, "time", "times")}, the AI ${count(of.aiTurns, "time", "times")}.`,
    of.interruptions > 0 && `${count(of.interruptions, "reply was", "replies were")} interrupted.`,
    of.questions > 0 &&
      `The AI asked a human ${count(of.questions, "time", "times")}; ${of.answered} answered.`,
    human.length > 0 && `A supervisor ${human.join(", ")}.`,
    of.faults > 0 && `${count(of.faults, "fault", "faults")} on the way.`,
    of.transferredTo !== "" && `Transferred to ${grouped(of.transferredTo)}.`,
  ]
    .filter(Boolean)
    .join(" ");
}

/** Why what a supervisor has typed or pressed was of no use any more. */
function fasterText({ how, by, text, at }: Settled): string {
  const when = timeOfDay(at);
  const words = text.length > 200 ? `${text.slice(0, 200)} …` : text;
  if (by === "policy") {
    return how === "approved"
      ? `Too late: the time was over at ${when}, and the reply was sent as it was.`
      : `Too late: nobody had decided in time, and the AI went on by itself at ${when}.`;
  }
  const did = {
    answered: "answered",
    unanswered: "took over",
    approved: "sent",
    rejected: "rejected the reply",
  }[how];
  const quoted = words === "" ? "." : `: “${words}”`;
  return `Not sent, another supervisor was faster: at ${when} they ${did}${quoted}`;
}

export const callTexts = {
  call: {
    back: "All calls",
    region: "Transcript",
    empty: "Nothing has been said yet.",
    loading: "Reading this call …",
    unknown: "This call is not known here.",
    unknownLead: "It may have been deleted, or the address is wrong.",
    caller: "Caller",
    ai: "AI",
    supervisor: "Supervisor",
    cut: "interrupted",
    cutHere: "The caller stopped hearing here.",
    beginningMissed: "… ",
    newLines: (n: number) => count(n, "new line", "new lines"),
    latest: "Go to the newest line",
    latency: (ms: number) => `answered in ${delay(ms)}`,
    hearing: "The caller is speaking",
    copied: "Link copied.",
    share: "Copy link",
    length: "Length",
    cost: "Cost",
    tabs: { transcript: "Transcript", controls: "Controls" },
    source: {
      greeting: "greeting",
      filler: "filler",
      nudge: "nudge",
      hold: "while holding",
      apology: "apology",
      goodbye: "goodbye",
    } as Record<string, string>,
  },
  controls: {
    region: "Needs a human",
    nothing: "Nothing waits for you on this call.",
    question: "The AI asks",
    reply: "This reply is held",
    waitsFor: (ms: number) => `waiting ${clock(ms)}`,
    left: (ms: number) => `${clock(ms)} left`,
    answerField: "Answer for AI",
    answer: "Answer",
    replyField: "Reply to send",
    approve: "Approve",
    approveEdited: "The edited text will be spoken.",
    reject: "Reject",
    besides: "Then, if sent as it is:",
    faster: (settled: Settled) => fasterText(settled),
    moreQuestions: (n: number) => count(n, "more question waits", "more questions wait"),
    reasonField: "Reason for the AI (optional)",
    sayField: "Say to caller",
    say: "Say",
    sayHelp: "Spoken now, word for word.",
    whisperField: "Whisper to AI",
    whisper: "Whisper",
    whisperHelp: "Never heard by the caller.",
    takeover: "Take over",
    release: "Release",
    takenOver: "You speak. The AI is silent and listens.",
    takenOverByOther: "Another supervisor speaks. The AI is silent and listens.",
    takenOverByNobody: "Whoever took over is not there.",
    takeoverFrom: "Take it over",
    goesOn: (ms: number) =>
      ms > 0 ? `The AI goes on in ${Math.ceil(ms / 1000)} s.` : "The AI goes on now.",
    unanswered: (times: number) =>
      `The caller has spoken ${count(times, "time", "times")} without an answer.`,
    takeoverHelp: "The AI falls silent; your words go through “Say to caller”.",
    keypad: "Keypad",
    digit: (digit: string) => `Digit ${digit}`,
    transferField: "Transfer to",
    transfer: "Transfer",
    transferHelp: "+ and country code",
    numberWrong: {
      plus: "Begin with + and the country code.",
      letters: "Only digits, please.",
      long: "A phone number has at most 15 digits.",
    },
    transferTitle: "Transfer this call?",
    transferLead: (number: string) =>
      `The caller is connected to ${grouped(number)} and the AI leaves the call.`,
    end: "End call",
    endTitle: "End this call?",
    endLead: "The caller is disconnected at once. This cannot be undone.",
    cancel: "Cancel",
    done: {
      say: "Spoken to the caller.",
      whisper: "Whispered to the AI.",
      answer: "Answer given to the AI.",
      approve: "Reply sent.",
      reject: "Reply rejected; the AI tries again.",
      digit: (digit: string) => `Pressed ${digit}.`,
      transfer: "The call is being transferred.",
      takeover: "You have the call.",
      release: "The AI has the call again.",
      end: "The call is ending.",
    },
  },
  record: {
    title: "Record",
    summary: summaryText,
    ended: (reason: string) => `Ended: ${endReason(reason)}`,
    length: "Length",
    turns: "Turns",
    interruptions: "Interruptions",
    cost: "Cost",
    tokens: "Tokens",
    started: "Started",
    latency: "Latency by turn",
    chart: (turns: number) => `Latency of ${count(turns, "turn", "turns")}, by stage`,
    noLatency: "No latencies were recorded.",
    export: "Export",
    text: "Text",
    json: "JSON",
    p50: "Latency p50",
    p95: "Latency p95",
  },
  announce: {
    said: (who: string, text: string) => `${who}: ${text}`,
  },
};
