/** Agents, scenarios and findings of the stand-in server. */
import type { Agent, Finding, Scenario } from "../api/client";

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
    description: "Asks a company about an order, an invoice or a product, and reports back.",
  },
  {
    id: "survey",
    name: "Survey/Feedback Request",
    description: "A short survey, with consent asked first and thanks at the end.",
  },
  {
    id: "appointment",
    name: "Appointment Scheduling",
    description: "Makes, moves or confirms an appointment.",
  },
  {
    id: "check-in",
    name: "Friendly Check-in",
    description: "Asks how somebody is doing, and listens.",
  },
];

export const findings: Finding[] = [
  {
    name: "Public address",
    status: "ok",
    message: "Twilio reaches this server, and its signatures are right.",
  },
  { name: "Model", status: "ok", message: "gpt-realtime-2.1 answers in 410 ms." },
  {
    name: "Transfer target",
    status: "warning",
    message: "TRANSFER_NUMBER is not set, so [[transfer]] without a number is refused.",
    fix: "Set TRANSFER_NUMBER=+14155550171 and start again.",
  },
];
