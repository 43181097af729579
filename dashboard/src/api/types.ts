/** What the HTTP API takes and answers, under the names this page uses. */
import type { components } from "./schema";

type Schemas = components["schemas"];

/** One call in a list. */
export type CallSummary = Schemas["CallSummary"];
export type CallPage = Schemas["CallPage"];
export type Agent = Schemas["Agent"];
export type Scenario = Schemas["Scenario"];
/** A place in a scenario's texts; one without a default must be filled. */
export type Slot = Schemas["Slot"];
/** Whom to call, and about what. */
export type NewCall = Schemas["CallRequest"];
/** The doctor’s report: findings and how to mend them, versions, limits, and where the server runs. */
export type DoctorReport = Schemas["DoctorReport"];
export type Finding = Schemas["Finding"];
/** The servers that share a store, this one among them. */
export type Nodes = Schemas["NodeList"];
export type ServerNode = Schemas["ClusterNode"];

export interface Health {
  status: string;
  /** Seconds. */
  uptime: number;
  activeCalls: number;
}
