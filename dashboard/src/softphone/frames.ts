/**
 * The frames of Twilio's ConversationRelay that the page sends and understands. The page is in
 * Twilio's place: it sends what was said and how much of a reply was played, and receives what to say.
 */
import { randomHex } from "../lib/random";

/** From the server. */
export type ToPhone =
  | { type: "text"; token: string; last: boolean; interruptible: boolean; preemptible: boolean }
  | { type: "digits"; digits: string }
  | { type: "end"; transferredTo: string | undefined };

/** To the server. */
export type FromPhone =
  | { type: "setup"; callSid: string; sessionId: string; direction: "inbound"; callStatus: string }
  | { type: "prompt"; voicePrompt: string; lang: string; last: boolean }
  | { type: "dtmf"; digit: string }
  | { type: "interrupt"; utteranceUntilInterrupt: string; durationUntilInterruptMs: number }
  | { type: "info"; name: "tokensPlayed"; value: string }
  | { type: "info"; name: "agentSpeaking" | "clientSpeaking"; value: "on" | "off" };

/** Parses a message; `undefined` if the page does not understand it. */
export function parseFrame(message: unknown): ToPhone | undefined {
  const raw = parsed(message);
  switch (raw?.type) {
    case "text":
      return {
        type: "text",
        token: typeof raw.token === "string" ? raw.token : "",
        last: raw.last === true,
        interruptible: raw.interruptible !== false,
        preemptible: raw.preemptible === true,
      };
    case "sendDigits":
      return { type: "digits", digits: String(raw.digits ?? "") };
    case "end":
      return { type: "end", transferredTo: target(raw.handoffData) };
    default:
      return undefined;
  }
}

/** A call id in Twilio's form. */
export function newCallSid(): string {
  return `CA${randomHex(16)}`;
}

/** A session id in Twilio's form. */
export function newSessionId(): string {
  return `VX${randomHex(16)}`;
}

function target(handoff: unknown): string | undefined {
  const data = parsed(handoff);
  return data?.reason === "transfer" && typeof data.target === "string" ? data.target : undefined;
}

function parsed(text: unknown): Record<string, unknown> | undefined {
  if (typeof text !== "string") return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
