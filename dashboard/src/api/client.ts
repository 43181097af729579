/**
 * The supervisor's HTTP API. Every request is made here. Errors are `ApiError`s, which tell «this
 * server has no such route» from «this call does not exist» and from «not now».
 */
import type { Agent, CallPage, DoctorReport, Health, NewCall, Nodes, Scenario } from "./types";

/** A response that is not a success, or no response at all (`status` 0). */
export class ApiError extends Error {
  readonly status: number;
  /** The server's code (`CALL_NOT_FOUND`, `CONFLICT`, …), empty if it sent none. */
  readonly code: string;
  readonly details: unknown;
  /** Seconds after which trying again makes sense. */
  readonly retryAfter: number | undefined;

  constructor(status: number, code: string, message: string, details?: unknown, retry?: number) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.details = details;
    this.retryAfter = retry;
  }

  /** Whether the route does not exist on this server, such as an older one. */
  get unavailable(): boolean {
    return (
      (this.status === 404 && this.code !== "CALL_NOT_FOUND") ||
      this.status === 405 ||
      this.status === 501
    );
  }
}

const get = <T>(path: string, signal?: AbortSignal): Promise<T> => request("GET", path, { signal });
const post = <T>(path: string, body: unknown, headers?: Record<string, string>): Promise<T> =>
  request("POST", path, { body, headers });

export const api = {
  /**
   * Whether this browser is logged in. Throws if the server cannot be reached, or does not accept the
   * address that the page was opened at; its message then says which one to use.
   */
  async session(): Promise<boolean> {
    try {
      await post("/session", {});
      return true;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 0 || error.status >= 500) throw error;
      if (error.status === 403) throw error;
      return error.status !== 401;
    }
  },
  /** The id of this browser's log-in: the `holder` of its own takeovers. */
  me: async (signal?: AbortSignal) => (await get<{ session: string }>("/session", signal)).session,
  login: (token: string) => post<void>("/login", { token }),
  logout: () => post<void>("/logout", {}),

  say: (callSid: string, text: string) => post<void>("/override/text", { callSid, text }),
  /** Sends the held reply of this turn, edited or not; refused once it has been settled. */
  approve: (callSid: string, reply: number | undefined, text: string) =>
    post<void>("/override/text", { callSid, text, reply }),
  whisper: (callSid: string, text: string) => post<void>("/override/whisper", { callSid, text }),
  /** Answers the question with this sequence number; refused once it has been settled. */
  answer: (callSid: string, query: number | undefined, response: string) =>
    post<void>("/override/clarification", { callSid, response, query }),
  reject: (callSid: string, reply: number | undefined, reason: string) =>
    post<void>("/override/reject", { callSid, reply, ...(reason === "" ? {} : { reason }) }),
  digit: (callSid: string, digit: string) => post<void>("/override/dtmf", { callSid, digit }),
  transfer: (callSid: string, target: string) =>
    post<void>("/override/transfer", { callSid, target }),
  takeover: (callSid: string) => post<void>("/override/takeover", { callSid }),
  release: (callSid: string) => post<void>("/override/release", { callSid }),
  end: (callSid: string) => post<void>("/override/end", { callSid }),

  /** Places a call; a second request with the same key returns the first call. */
  place: (call: NewCall, key: string) =>
    post<{ callSid: string; status: string }>("/calls", call, { "Idempotency-Key": key }),
  calls: (query: Record<string, string>, signal?: AbortSignal) =>
    get<CallPage>(`/calls?${new URLSearchParams(query)}`, signal),
  call: (callSid: string, signal?: AbortSignal) =>
    get<Record<string, unknown>>(`/calls/${encodeURIComponent(callSid)}`, signal),
  /** Makes an agent the default from the next call on. */
  answerBy: (agent: string) => request<void>("PUT", "/agents/default", { body: { agent } }),
  agents: async (signal?: AbortSignal) => list<Agent>(await get("/agents", signal), "agents"),
  scenarios: async (signal?: AbortSignal) =>
    list<Scenario>(await get("/scenarios", signal), "scenarios"),
  health: (signal?: AbortSignal) => get<Health>("/healthz", signal),
  /** Whether the server is ready, or the reason why not. */
  async ready(signal?: AbortSignal): Promise<{ ready: boolean; reason: string }> {
    try {
      await get("/readyz", signal);
      return { ready: true, reason: "" };
    } catch (error) {
      if (error instanceof ApiError && error.status === 503) {
        return { ready: false, reason: error.message };
      }
      throw error;
    }
  },
  doctor: (signal?: AbortSignal) =>
    request<DoctorReport>("GET", "/doctor", { signal, limit: 60_000 }),
  nodes: (signal?: AbortSignal) => get<Nodes>("/nodes", signal),
  version: async (signal?: AbortSignal) =>
    (await get<{ info?: { version?: string } }>("/openapi.json", signal)).info?.version ?? "",
};

/** The address that a call's transcript is downloaded from. */
export function transcriptUrl(callSid: string, format: "json" | "txt"): string {
  return `/calls/${encodeURIComponent(callSid)}/transcript?format=${format}`;
}

/** The formats that calls can be exported in. */
export const EXPORT_FORMS = ["csv", "jsonl", "txt"] as const;

/** The address that all calls of a search are downloaded from. */
export function exportUrl(
  format: (typeof EXPORT_FORMS)[number],
  wanted: Record<string, string>,
): string {
  return `/calls/export?${new URLSearchParams({ format, ...wanted })}`;
}

/** A list may come bare or under a key. */
function list<T>(body: unknown, key: string): T[] {
  if (Array.isArray(body)) return body as T[];
  const inner = (body as Record<string, unknown> | undefined)?.[key];
  return Array.isArray(inner) ? (inner as T[]) : [];
}

interface Options {
  /** The time limit in milliseconds. */
  limit?: number;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

const TIME_LIMIT_MS = 15_000;

async function request<T>(method: string, path: string, options: Options): Promise<T> {
  const limit = AbortSignal.timeout(options.limit ?? TIME_LIMIT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      signal,
      credentials: "same-origin",
      headers: {
        Accept: "application/json",
        ...(options.body === undefined ? {} : { "Content-Type": "application/json" }),
        ...options.headers,
      },
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, "UNREACHABLE", "The server cannot be reached.");
  }
  for (const listener of dated) listener(response.headers.get("Date"));
  const body = await response.text();
  if (!response.ok) throw failure(response, body);
  try {
    return JSON.parse(body) as T;
  } catch {
    return undefined as T;
  }
}

function failure(response: Response, body: string): ApiError {
  let error: { code?: unknown; message?: unknown; details?: unknown } = {};
  try {
    error = (JSON.parse(body) as { error?: typeof error }).error ?? {};
  } catch {
    // Not JSON, perhaps a proxy's error page: only the status is known.
  }
  const retry = Number(response.headers.get("Retry-After"));
  const message = typeof error.message === "string" ? error.message : "";
  const failed = new ApiError(
    response.status,
    typeof error.code === "string" ? error.code : "",
    message || `The server answered ${response.status}.`,
    error.details,
    retry > 0 ? retry : undefined,
  );
  if (response.status === 401) {
    for (const listener of loggedOut) listener();
  }
  return failed;
}

const dated = new Set<(date: string | null) => void>();

/** Calls back with the `Date` header of each response. */
export function onDate(listener: (date: string | null) => void): () => void {
  dated.add(listener);
  return () => dated.delete(listener);
}

const loggedOut = new Set<() => void>();

/** Calls back whenever a request is refused because the browser is not logged in. */
export function onLoggedOut(listener: () => void): () => void {
  loggedOut.add(listener);
  return () => loggedOut.delete(listener);
}
