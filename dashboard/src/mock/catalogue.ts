/** Agents, scenarios and findings of the stand-in server. */
import type { Agent, CallSummary, DoctorReport, Nodes, Scenario } from "../api/types";
import { serverNow } from "./clock";

const COMMANDS = ["press", "transfer", "end_call", "request_user"];

function agent(id: string, name: string, description: string, greeting: string): Agent {
  const empty = { numbers: [], transferTargets: [] };
  return { id, name, description, greeting, commands: COMMANDS, default: false, ...empty };
}

export const agents: Agent[] = [
  {
    ...agent(
      "assistant",
      "Professional Assistant",
      "Answers, takes messages, and passes on what it cannot settle.",
      "Hello, you are speaking with an automated assistant. How can I help you?",
    ),
    default: true,
    voice: "marin",
    numbers: ["+14155550100"],
  },
  {
    ...agent(
      "support",
      "Customer Service Rep",
      "Solves problems with orders and accounts, calmly and exactly.",
      "Hello, this is the automated customer service. What can I do for you?",
    ),
    voice: "cedar",
    transferTargets: [{ number: "+14155550171" }, { number: "+14155550172" }],
  },
  agent(
    "scheduler",
    "Appointment Scheduler",
    "Finds, moves and confirms appointments.",
    "Hello, this is the automated appointment desk.",
  ),
  agent(
    "hotline",
    "Information Hotline",
    "Opening hours, places, prices: short facts.",
    "Hello, this is the information line. What would you like to know?",
  ),
  agent(
    "surveyor",
    "Survey Conductor",
    "Asks its questions, one at a time, and thanks.",
    "Hello, thank you for calling the survey line.",
  ),
];

const plain = { slots: [], detectMachine: false, leavesMessage: false };

export const scenarios: Scenario[] = [
  {
    id: "inquiry",
    name: "Customer Service Inquiry",
    description: "Calls a business and asks one question on somebody’s behalf.",
    opening:
      "Hello, this is an automated assistant calling for {name}. I have a short question about {subject}. Am I speaking with {business}?",
    slots: [
      { name: "business", default: "the office" },
      { name: "name", default: "a client" },
      { name: "subject" },
    ],
    detectMachine: true,
    leavesMessage: false,
  },
  {
    ...plain,
    id: "survey",
    name: "Survey/Feedback Request",
    description: "A short survey, with consent asked first and thanks at the end.",
  },
  {
    ...plain,
    id: "appointment",
    name: "Appointment Scheduling",
    description: "Makes, moves or confirms an appointment.",
  },
  {
    ...plain,
    id: "check-in",
    name: "Friendly Check-in",
    description: "Asks how somebody is doing, and listens.",
  },
];

export const report: DoctorReport = {
  findings: [
    {
      id: "public_url",
      level: "ok",
      title: "Public name",
      detail: "https://phony.example.com leads to Phony",
      mend: null,
    },
    {
      id: "model",
      level: "ok",
      title: "Model",
      detail: "gpt-realtime-2.1; no end of it is announced",
      mend: null,
    },
    {
      id: "transfer_number",
      level: "warn",
      title: "Transfer number",
      detail: "TRANSFER_NUMBER is not set: a bare [[transfer]] is refused",
      mend: "Set TRANSFER_NUMBER=+14155550171 and start again.",
    },
    {
      id: "store",
      level: "ok",
      title: "Store",
      detail: "embedded, in the data folder; for one node",
      mend: null,
    },
  ],
  versions: { phony: "0.1.0", model: "gpt-realtime-2.1" },
  limits: {
    dialRate: 60,
    apiRate: 600,
    callingHours: "08:00-21:00",
    maxCallSeconds: 3600,
    requireSupervisorFeedback: false,
  },
  node: {
    host: "phony.example.com",
    port: 24187,
    dataDir: "/var/lib/phony",
    store: "embedded",
    platform: "linux x86_64",
    cpus: 2,
    uptime: 93_784,
    activeCalls: 6,
  },
};

/** Three nodes: one ready, one draining, one silent. */
export function nodes(): Nodes {
  const ago = (seconds: number) => new Date(serverNow() - seconds * 1_000).toISOString();
  const node = { version: "0.1.0", port: 24187, reason: null };
  return {
    nodes: [
      {
        ...node,
        name: "1f0c5a77d2e9",
        machine: "phony-1",
        this: true,
        state: "ready",
        startedAt: ago(93_784),
        activeCalls: 6,
        lastSeen: ago(0),
      },
      {
        ...node,
        name: "82b4e0c1a6f3",
        machine: "phony-2",
        this: false,
        state: "draining",
        reason: "stopping",
        startedAt: ago(93_101),
        activeCalls: 2,
        lastSeen: ago(0.6),
      },
      {
        ...node,
        name: "c9d27f3b5e80",
        machine: "phony-3",
        this: false,
        state: "silent",
        startedAt: ago(4_200),
        activeCalls: 0,
        lastSeen: ago(74),
      },
    ],
  };
}

/** Orders that did not become a call: one refused by a rule, one rejected by the carrier. */
export function unplaced(): CallSummary[] {
  const at = new Date(Date.now() - 3_600_000).toISOString();
  const order = {
    callSid: null,
    from: "+14155550100",
    direction: "outbound",
    agent: "survey",
    scenario: "survey",
    carrier: "twilio",
    startedAt: at,
    endedAt: at,
    live: false,
    turns: 0,
    costUsd: 0,
    by: "token:0011aabb",
    who: "admin",
  };
  return [
    {
      ...order,
      orderId: "OR0000000000000001",
      to: "+14155550123",
      status: "refused",
      rule: "do_not_call",
      reason: "the number is on the do-not-call list",
    },
    {
      ...order,
      orderId: "OR0000000000000002",
      to: "+14155550124",
      status: "failed",
      rule: "twilio_error",
      reason: "Twilio refused it (400): the account may not call this number",
    },
  ];
}
