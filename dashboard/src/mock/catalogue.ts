/** Agents, scenarios and findings of the stand-in server. */
import type { Agent, DoctorReport, Scenario } from "../api/client";

export const agents: Agent[] = [
  {
    id: "assistant",
    name: "Professional Assistant",
    description: "Answers, takes messages, and passes on what it cannot settle.",
    voice: "marin",
    transport: "relay",
    default: true,
    numbers: ["+14155550100"],
  },
  {
    id: "support",
    name: "Customer Service Rep",
    description: "Solves problems with orders and accounts, calmly and exactly.",
    voice: "cedar",
    transport: "relay",
    transferTargets: [
      { name: "Billing", number: "+14155550171" },
      { name: "Second line", number: "+14155550172" },
    ],
  },
  {
    id: "scheduler",
    name: "Appointment Scheduler",
    description: "Finds, moves and confirms appointments.",
    voice: "alloy",
    transport: "relay",
  },
  {
    id: "hotline",
    name: "Information Hotline",
    description: "Opening hours, places, prices: short facts.",
    voice: "sage",
    transport: "media",
  },
  {
    id: "surveyor",
    name: "Survey Conductor",
    description: "Asks its questions, one at a time, and thanks.",
    voice: "coral",
    transport: "relay",
  },
];

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
    id: "survey",
    name: "Survey/Feedback Request",
    description: "A short survey, with consent asked first and thanks at the end.",
    slots: [],
  },
  {
    id: "appointment",
    name: "Appointment Scheduling",
    description: "Makes, moves or confirms an appointment.",
    slots: [],
  },
  {
    id: "check-in",
    name: "Friendly Check-in",
    description: "Asks how somebody is doing, and listens.",
    slots: [],
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
