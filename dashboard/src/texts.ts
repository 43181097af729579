/** Every word of the page, in one place. Functions where a figure belongs in the sentence. */
import type { CallEvent } from "./api/events";
import type { ReasonKind } from "./model/attention";
import type { Phase } from "./model/call";
import { age, clock, delay, dollars, grouped } from "./model/format";

const count = (n: number, one: string, many: string) => `${n} ${n === 1 ? one : many}`;

export const t = {
  product: "Phony",
  pages: {
    wallboard: "Wallboard",
    history: "History",
    new: "New call",
    softphone: "Softphone",
    agents: "Agents",
    health: "Health",
    call: "Call",
  },
  login: {
    title: "Phony",
    lead: "Log in to watch and guide calls.",
    field: "Access token",
    submit: "Log in",
    help: "The token is shown when the server starts for the first time, and kept in its data folder. A login link from the terminal works, too.",
    refused: "This token is not right. Check that it was copied whole.",
    tooMany: (seconds: number | undefined) =>
      `Too many attempts. Try again ${seconds ? `in ${seconds} s` : "in a while"}.`,
    unreachable: "The server cannot be reached. Is it running?",
  },
  shell: {
    skip: "Skip to content",
    pages: "Pages",
    light: "Switch to light",
    dark: "Switch to dark",
    help: "Keyboard help",
    logout: "Log out",
    logoutFailed: "This server cannot log you out. Close the browser to forget the log-in.",
    mask: "Hide phone numbers",
    unmask: "Show phone numbers",
    alertsOn: "Alert me when a call waits",
    alertsOff: "Stop alerting me",
    loading: "Loading",
    notFound: "There is no such page.",
    toWallboard: "To the wallboard",
  },
  link: {
    live: "Live",
    connecting: "Connecting",
    stale: "Not live",
    banner: (ms: number) =>
      `The connection to the server was lost ${clock(ms)} ago. What you see may be out of date.`,
    retry: (ms: number) =>
      ms > 900 ? `Trying again in ${Math.ceil(ms / 1000)} s` : "Trying again",
    now: "Try now",
    back: "Connected again. Nothing was missed.",
  },
  board: {
    live: "Live calls",
    needs: "Needs a human",
    oldest: (ms: number) => `oldest ${age(ms)}`,
    none: "nothing waits",
    today: "Calls today",
    cost: "Cost today",
    p95: "Latency p95",
    noLatency: "no turns yet",
    budget: (ms: number) => `budget ${delay(ms)}`,
    health: "Health",
    parts: { model: "Model", carrier: "Carrier", store: "Store" },
    condition: { good: "working", trouble: "in trouble", unknown: "not seen yet" },
    quiet: "All quiet",
    quietLead: "No call is live. The next one appears here by itself.",
    quietSteps: [
      "Call your number, or place a call from here.",
      "No phone at hand? Be the caller yourself with the softphone, or “phony talk” in a terminal.",
      "Not set up yet? “phony doctor” says what is missing.",
    ],
    place: "New call",
    tryIt: "Softphone",
    seeHealth: "Check the set-up",
    nothingNeeded: "Nobody is waiting for you.",
    more: (n: number) => `${count(n, "more call waits", "more calls wait")} in the list below`,
  },
  columns: {
    call: "Call",
    agent: "Agent",
    phase: "Phase",
    last: "Last words",
    length: "Length",
  },
  direction: { inbound: "inbound", outbound: "outbound", other: "call" },
  phase: {
    starting: "Starting",
    listening: "Listening",
    caller: "Caller speaks",
    thinking: "AI thinks",
    speaking: "AI speaks",
    waiting: "On hold for you",
    human: "Human speaks",
    transferred: "Transferred",
    ended: "Ended",
  } satisfies Record<Phase, string>,
  reason(kind: ReasonKind, ms: number): string {
    const words: Record<ReasonKind, string> = {
      question: `question waiting ${age(ms)}`,
      reply: `reply held ${age(ms)}`,
      human: "asks for a human",
      misunderstood: "repeated misunderstanding",
      silence: `silent for ${age(ms)}`,
      latency: "slow answers",
      fault: "model trouble",
    };
    return words[kind];
  },
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
    you: "for the AI",
    cut: "interrupted",
    cutHere: "The caller stopped hearing here.",
    torn: "… ",
    newLines: (n: number) => count(n, "new line", "new lines"),
    latest: "Go to the newest line",
    latency: (ms: number) => `answered in ${delay(ms)}`,
    hearing: "The caller is speaking",
    copied: "Link copied.",
    share: "Copy link",
    length: "Length",
    cost: "Cost",
    tabs: { transcript: "Transcript", hands: "Controls" },
    source: {
      greeting: "greeting",
      filler: "filler",
      nudge: "nudge",
      hold: "while holding",
      apology: "apology",
      goodbye: "goodbye",
    } as Record<string, string>,
  },
  hands: {
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
  history: {
    field: "Search calls",
    hint: "Words that were said, a number, an agent",
    filter: "Show",
    all: "All",
    live: "Live",
    ended: "Ended",
    none: "No calls match.",
    noneYet: "No calls yet.",
    more: "Show more",
    count: (n: number) => count(n, "call", "calls"),
  },
  newCall: {
    lead: "The AI calls a number and follows a scenario. You watch, and can step in at any time.",
    to: "Number to call",
    toHelp: "With + and country code, such as +14155550123.",
    scenario: "Scenario",
    noScenario: "None: the agent’s own instructions",
    agent: "Agent",
    defaultAgent: "The default agent",
    from: "Call from (optional)",
    consent: "The person called has agreed to be called by an automated assistant.",
    place: "Place call",
    needsConsent: "A call without consent is never placed.",
    refused: "Refused by a safety rule",
    refusedLead:
      "Phony never dials without consent, emergency and premium numbers, numbers on the do-not-call list, or outside calling hours where the callee lives. The refusal is kept in the ledger.",
  },
  softphone: {
    lead: "Talk to an agent from this page, no phone needed. It is a call like any other: it shows on the wallboard, and a supervisor can step in.",
    agent: "Agent",
    voice: "The AI’s voice",
    noVoice: "None: show the words",
    call: "Start call",
    ringing: "Connecting …",
    talking: "You are the caller",
    lost: "The connection was lost. The call is kept for half a minute, and taken up again by itself.",
    field: "Your words",
    send: "Speak",
    sendHelp: "Enter sends. Speaking while the AI speaks interrupts it.",
    listen: "Use the microphone",
    listening: "Stop the microphone",
    listenHelp:
      "Your browser turns speech into text, some by asking their maker’s servers. Use headphones, or the AI hears itself.",
    refused: "The browser does not let this page listen.",
    keypad: "Caller’s keypad",
    key: (digit: string) => `Press ${digit}`,
    hangUp: "Hang up",
    watch: "Supervise",
    speaks: "Now spoken",
    silent: "Nothing is being spoken.",
    over: "The call is over",
    again: "Call again",
    record: "Open the call",
    transferred: (number: string) =>
      `The caller would now be connected to ${grouped(number)}. A softphone cannot be.`,
    trouble: (what: string) =>
      ({
        unreachable: "The call could not be connected: the server refused it or is not there.",
        lost: "The connection did not come back in time.",
        refused: "The server refused the call.",
      })[what] ?? `The server refused the call: ${what}.`,
  },
  agents: {
    agents: "Agents",
    scenarios: "Scenarios",
    lead: "Who answers, and what outbound calls are about. They are files; edit them and run “phony agents check”.",
    default: "answers by default",
    numbers: "Answers",
    voice: "Voice",
    transport: "Transport",
    use: "Call with this scenario",
    none: "None installed.",
  },
  health: {
    server: "Server",
    status: "Status",
    calls: "New calls",
    ready: "Taking calls",
    notReady: "Not taking calls",
    uptime: "Up for",
    live: "Live calls",
    version: "Version",
    stream: "Event stream",
    doctor: "Doctor’s findings",
    healthy: "Nothing to do.",
    more: "More",
    metrics: "Metrics for Prometheus",
    openapi: "Description of the API",
  },
  help: {
    title: "Keyboard",
    close: "Close",
    groups: [
      {
        name: "Everywhere",
        keys: [
          ["?", "This help"],
          ["g w", "Wallboard"],
          ["g h", "History"],
          ["g n", "New call"],
          ["g p", "Softphone"],
          ["g a", "Agents"],
          ["g s", "Health"],
          ["/", "Search calls"],
        ],
      },
      {
        name: "Wallboard",
        keys: [
          ["j  k", "Next, previous call"],
          ["Enter", "Open the call"],
        ],
      },
      {
        name: "Call",
        keys: [
          ["a", "Answer or approve what waits"],
          ["s", "Say to caller"],
          ["w", "Whisper to AI"],
          ["o", "Take over, release"],
          ["d", "Keypad: then type digits"],
          ["t", "Transfer"],
          ["e", "End call"],
          ["l", "Newest line"],
          ["Esc", "Leave a field"],
        ],
      },
    ],
  },
  states: {
    unavailable: "Not available on this server",
    unavailableLead: "This version of the server does not offer it. Everything else works.",
    failed: "That did not work",
    again: "Try again",
    unreachable: "The server cannot be reached.",
  },
  alert: {
    title: "A call needs you",
    question: (text: string) => `The AI asks: ${text}`,
    reply: (text: string) => `Held reply: ${text}`,
  },
  announce: {
    said: (who: string, text: string) => `${who}: ${text}`,
  },
  unknownNumber: "Unknown number",
  noAgent: "–",
  costAndTokens: (usd: number) => dollars(usd),
};

/** A chip's words: what happened, by whom is shown beside it. */
export function chipText(event: CallEvent): { label: string; detail: string } {
  switch (event.type) {
    case "session_start":
      return { label: "Call started", detail: event.agent && `agent ${event.agent}` };
    case "session_end":
      return { label: "Call ended", detail: endReason(event.reason) };
    case "command_executed":
      return commandText(event);
    case "command_rejected":
      return {
        label: `${commandText(event).label}: refused`,
        detail: [event.value, event.reason].filter(Boolean).join(" · "),
      };
    case "session_transfer":
      return { label: "Transferred", detail: grouped(event.target) };
    case "query":
      return { label: "Asked a human", detail: event.text };
    case "query_response":
      return {
        label: event.answered === false ? "Nobody answered" : "Answered",
        detail: event.text,
      };
    case "resumed":
      return { label: "The line is back", detail: `after ${age(event.gapMs)}` };
    case "pending_response":
      return { label: "Reply held", detail: event.text };
    case "response_approved":
      return { label: "Reply approved", detail: event.text };
    case "response_rejected":
      return { label: "Reply rejected", detail: event.reason ?? event.text };
    case "whisper":
      return { label: "Whisper to AI", detail: event.text };
    case "takeover":
      return { label: "A human took over", detail: event.text };
    case "release":
      return { label: "Back to the AI", detail: event.text };
    case "dtmf":
      return { label: "Caller pressed", detail: event.digit };
    case "error":
      return {
        label: event.fatal ? "Fatal error" : "Error",
        detail: [event.where, event.message || event.code].filter(Boolean).join(": "),
      };
    case "unknown":
      return { label: event.name.replaceAll("_", " "), detail: "" };
    default:
      return { label: event.type.replaceAll("_", " "), detail: "" };
  }
}

/** A name for who did it; empty where it goes without saying. */
export function authorText(by: string | undefined): string {
  if (by === undefined || by === "") return "";
  if (by === "ai" || by === "model") return "AI";
  return by === "policy" ? "by rule" : by;
}

/** A command in words: what it does, and with what. */
export function commandText(of: { command: string; value: string }): {
  label: string;
  detail: string;
} {
  const name = of.command;
  const words: Record<string, string> = {
    press: "Press",
    dtmf: "Press",
    transfer: "Transfer",
    end_call: "Hang up",
    end: "Hang up",
    request_user: "Ask a human",
  };
  return { label: words[name] ?? name.replaceAll("_", " "), detail: of.value };
}

function endReason(reason: string): string {
  return reason === "" ? "no reason given" : reason.replaceAll("_", " ");
}
