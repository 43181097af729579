/** The stand-in server's end of the softphone: greets, replies, and publishes the call's events. */
import type { PhoneSocket } from "../softphone/phone";
import { serverNow } from "./clock";
import type { MockServer } from "./server";

const TOKEN_MS = 60;
const REPLIES = [
  "I am sorry to hear that. I can block the card right away and send you a new one. May I have your name, please?",
  "Thank you, I have noted your name. The new card is on its way. Is there anything else that I can do for you?",
];

export class MockPhone implements PhoneSocket {
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  private callSid = "";
  private written = "";
  private turn = 0;
  private readonly server: MockServer;
  private readonly agent: string;

  constructor(server: MockServer, agent: string) {
    this.server = server;
    this.agent = agent || "assistant";
    setTimeout(() => this.onopen?.(), 30);
  }

  send(text: string): void {
    const frame = JSON.parse(text) as Record<string, string>;
    if (frame.type === "heartbeat") {
      const timestamp = new Date(serverNow()).toISOString();
      setTimeout(() =>
        this.onmessage?.({ data: JSON.stringify({ type: "heartbeat", timestamp }) }),
      );
    }
    if (frame.type === "setup") {
      this.callSid = frame.callSid ?? "";
      const parties = { from: "softphone", to: "+14155550100" };
      this.server.add(this.callSid, "session_start", {
        ...parties,
        direction: "inbound",
        agent: this.agent,
        carrier: "softphone",
      });
      this.reply("Hello, you are speaking with an automated assistant. How can I help you?");
    }
    if (frame.type === "prompt" && String(frame.last) === "true") {
      const words = frame.voicePrompt ?? "";
      this.server.add(this.callSid, "transcript", { speaker: "caller", text: words, final: true });
      this.reply(REPLIES[(this.turn - 1) % REPLIES.length] ?? "");
    }
    if (frame.type === "interrupt") {
      const heard = frame.utteranceUntilInterrupt ?? "";
      this.server.add(this.callSid, "interrupt", { heard });
      this.respond(heard, true);
    }
    if (frame.type === "info" && frame.name === "tokensPlayed" && this.written !== "") {
      if (this.written.trimEnd().endsWith(frame.value ?? "")) this.respond(this.written, false);
    }
    if (frame.type === "dtmf") this.server.add(this.callSid, "dtmf", { digit: frame.digit });
  }

  close(): void {
    this.server.add(this.callSid, "session_end", { reason: "caller_hung_up" });
    this.onclose?.({ code: 1000, reason: "" });
  }

  private respond(text: string, interrupted: boolean): void {
    const { turn, written: generated } = this;
    this.written = "";
    this.server.add(this.callSid, "assistant_response", { text, generated, interrupted, turn });
  }

  private reply(text: string): void {
    this.turn += 1;
    this.written = text;
    const { turn } = this;
    const tokens = text.match(/\S+\s*/g) ?? [];
    tokens.forEach((token, at) => {
      setTimeout(
        () => {
          if (this.turn !== turn || this.written === "") return;
          const last = at === tokens.length - 1;
          this.server.words(this.callSid, { type: "assistant_delta", text: token, turn });
          this.onmessage?.({ data: JSON.stringify({ type: "text", token, last }) });
        },
        (at + 1) * TOKEN_MS,
      );
    });
  }
}
