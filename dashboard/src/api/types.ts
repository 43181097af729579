/** What the HTTP API takes and answers, under the names this page uses. */
import type { components } from "./schema";

type Schemas = components["schemas"];

/** One call in a list. */
export type CallSummary = Schemas["Line"];
export type CallPage = Schemas["Page"];
export type Agent = Schemas["Described"];
export type Scenario = Schemas["Errand"];
/** A place in a scenario's texts; one without a default must be filled. */
export type Slot = Schemas["Slot"];
/** Whom to call, and about what. */
export type NewCall = Schemas["CallRequest"];
/** The doctor’s report: findings and how to mend them, versions, limits, and where the server runs. */
export type DoctorReport = Schemas["Report"];
export type Finding = Schemas["Finding"];
/** The servers that share a store, this one among them. */
export type Nodes = Schemas["Nodes"];
export type ServerNode = Schemas["ClusterNode"];

export interface Health {
  status: string;
  /** Seconds. */
  uptime: number;
  activeCalls: number;
}
