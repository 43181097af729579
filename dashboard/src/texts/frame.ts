/** The frame around every page: navigation, login, connection, alerts, keyboard help. */
import { clock } from "../model/format";

export const frameTexts = {
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
    alertsBoth: "You will hear a sound, and be notified while you look elsewhere.",
    alertsSound: "You will hear a sound. The browser does not let this page notify you.",
    soundBlocked:
      "The browser keeps this page silent until you touch it: a call that waits makes no sound.",
    soundOn: "Turn the sound on",
    loading: "Loading",
    notFound: "There is no such page.",
    toWallboard: "To the wallboard",
  },
  connection: {
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
  help: {
    title: "Keyboard",
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
          ["a", "Answer or approve what waits: Enter sends"],
          ["x", "Reject a held reply: Enter, with or without a reason"],
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
    titles: (n: number) => `${n} calls need you`,
    question: (text: string) => `The AI asks: ${text}`,
    reply: (text: string) => `Held reply: ${text}`,
    abandoned: "Whoever took over a call is not there.",
    unanswered: "A caller speaks and nobody answers.",
  },
};
