/** The words for events: chips, authors, commands, the ends of calls. */
import type { CallEvent } from "../api/events";
import { age, delay, grouped } from "../model/format";

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
    case "status":
      return { label: "Phone", detail: event.text.replaceAll("-", " ") };
    case "answered_by":
      return { label: "Answered by", detail: event.text.replaceAll("_", " ") };
    case "disclosure":
      return { label: "Said to be automated", detail: event.text };
    case "handed_over":
      return { label: "Left to another server", detail: "" };
    case "resumed":
      return { label: "The line is back", detail: `after ${length(event.gapMs)}` };
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
    case "takeover_unattended":
      return {
        label: "The human is not there",
        detail: event.timeoutMs ? `the AI goes on in ${age(event.timeoutMs)}` : "",
      };
    case "takeover_attended":
      return { label: "The human is back", detail: "" };
    case "release":
      return {
        label: "Back to the AI",
        detail: event.by === "policy" ? "the human had left" : event.text,
      };
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

/** A short time exactly, a long one roughly. */
function length(ms: number): string {
  return ms < 1_000 ? delay(ms) : age(ms);
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

export function endReason(reason: string): string {
  return reason === "" ? "no reason given" : reason.replaceAll("_", " ");
}
