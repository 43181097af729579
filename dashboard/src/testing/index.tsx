/** Shared by the tests of components: the providers around them, a fake server, and calls. */
import { ThemeProvider } from "@mui/material/styles";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, render } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import type { ReactNode } from "react";
import { vi } from "vitest";
import { type CallEvent, toEvent } from "../api/events";
import { theme } from "../app/theme";
import { Toasts } from "../components/toasts";
import { store } from "../live/index";
import { type Call, newCall } from "../model/call";
import { applyAll } from "../model/reducer";

/** Draws a component as the page does; `user` presses and types. */
export function draw(component: ReactNode) {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const framed = (inside: ReactNode) => (
    <ThemeProvider theme={theme}>
      <QueryClientProvider client={queries}>
        <Toasts>{inside}</Toasts>
      </QueryClientProvider>
    </ThemeProvider>
  );
  const { rerender } = render(framed(component));
  return {
    user: userEvent.setup({ delay: null }),
    redraw: (inside: ReactNode) => rerender(framed(inside)),
  };
}

export interface Request {
  path: string;
  body: unknown;
  headers: Headers;
}

/** A route's response: a status and a body, or `gone` for a server that cannot be reached. */
export type Answer = { status?: number; body?: unknown; headers?: Record<string, string> } | "gone";

/**
 * A server with these routes, by method and path; any other answers 404. Returns the requests other
 * than GET, in order.
 */
export function serve(
  routes: Record<string, Answer | (() => Answer | Promise<Answer>)>,
): Request[] {
  const requests: Request[] = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    if (init.method !== "GET") {
      const body: unknown = typeof init.body === "string" ? JSON.parse(init.body) : undefined;
      requests.push({ path, body, headers: new Headers(init.headers) });
    }
    const route = routes[`${init.method} ${path}`] ?? { status: 404 };
    const answer = typeof route === "function" ? await route() : route;
    if (answer === "gone") throw new TypeError("fetch failed");
    const { status = 200, body = {}, headers } = answer;
    return new Response(JSON.stringify(body), { status, headers });
  });
  return requests;
}

/** A refusal in the server's own form. */
export function refusal(status: number, code: string, message: string, details?: unknown): Answer {
  return { status, body: { error: { code, message, details } } };
}

export const SID = `CA${"1".repeat(32)}`;

interface Told {
  type: string;
  /** How long ago it happened, in seconds. */
  ago?: number;
  [field: string]: unknown;
}

const START: Told = { type: "session_start", from: "+14155550123", to: "+14155550100", ago: 60 };

/** Events of a call, numbered from `first` on. */
function events(callSid: string, told: Told[], first: number): CallEvent[] {
  return told
    .map(({ ago = 0, ...fields }, at) =>
      toEvent({
        callSid,
        seq: first + at,
        timestamp: new Date(Date.now() - ago * 1_000).toISOString(),
        ...fields,
      }),
    )
    .filter((event) => event !== undefined);
}

/** A call that has begun a minute ago, after these events. */
export function callAfter(...told: Told[]): Call {
  return applyAll(newCall(SID), events(SID, [START, ...told], 1));
}

/** Lets the page receive events of a call, which begins if it is not known yet. */
export async function receive(callSid: string, ...told: Told[]): Promise<void> {
  const known = store.known(callSid);
  const all = known === 0 ? [START, ...told] : told;
  await act(async () => {
    for (const event of events(callSid, all, known + 1)) store.receive(event);
    await vi.waitUntil(() => store.known(callSid) === known + all.length);
  });
}
