/**
 * The page without a server: requests and sockets are answered from recorded events. Used by
 * `npm run dev:mock`, the browser tests and the screenshots. Options in the address:
 *
 * - `quiet`: no calls
 * - `login`: logged out at first; the token is `letmein`
 * - `load=200`: this many calls that stream words
 * - `ramp=5`: those calls come one by one within this many seconds
 * - `long=2000`: a call of this many turns
 * - `skew=420`: the server's clock is this many seconds ahead
 * - `older`: a server without the newer routes
 */
import { replaceSocket } from "../live/index";
import { replacePhone } from "../softphone/index";
import { agents, nodes, report, scenarios } from "./catalogue";
import { answer, failure } from "./http";
import { longCall, streaming } from "./load";
import { MockPhone } from "./phone";
import { ME, MockServer } from "./server";

export function install(): void {
  const options = new URLSearchParams(location.search);
  const server = new MockServer();
  let loggedIn = !options.has("login");
  if (!options.has("quiet")) server.playRecorded();
  const load = Number(options.get("load") ?? 0);
  if (load > 0) streaming(server, load, Number(options.get("ramp") ?? 0) * 1_000);
  const long = Number(options.get("long") ?? 0);
  if (long > 0) longCall(server, long);

  replaceSocket((query) => server.open(query));
  replacePhone((agent) => new MockPhone(server, agent));
  // For the browser tests.
  Object.assign(window, { phonyMock: server });

  const real = window.fetch.bind(window);
  window.fetch = async (input, init) => {
    const address = new URL(input instanceof Request ? input.url : input, location.href);
    const path = address.pathname;
    const body: Record<string, string> =
      typeof init?.body === "string" ? (JSON.parse(init.body) as Record<string, string>) : {};
    if (server.down) throw new TypeError("the stand-in server is down");
    if (path === "/login") {
      loggedIn = body.token === "letmein";
      return loggedIn ? answer({ status: "ok" }) : failure(401, "UNAUTHORIZED", "Wrong token.");
    }
    if (path === "/logout") {
      loggedIn = false;
      return answer({ status: "ok" });
    }
    if (path === "/healthz")
      return answer({ status: "ok", uptime: 93_784, activeCalls: server.live().length });
    if (path === "/readyz") return answer({});
    if (!loggedIn && isApi(path)) return failure(401, "UNAUTHORIZED", "Log in first.");
    if (path === "/session") return answer({ session: ME });
    if (path === "/openapi.json") return answer({ info: { version: "0.1.0" } });
    if (options.has("older") && isApi(path) && !path.startsWith("/override/")) {
      return failure(404, "", "");
    }
    if (path.startsWith("/override/")) return server.override(path.slice(10), body);
    if (path === "/agents") return answer({ agents });
    if (path === "/scenarios") return answer({ scenarios });
    if (path === "/doctor") return answer(report);
    if (path === "/nodes") return answer(nodes());
    if (path === "/calls" && init?.method === "POST") return server.place(body);
    if (path === "/calls") return answer(server.list(address.searchParams));
    if (path.startsWith("/calls/")) return server.one(decodeURIComponent(path.slice(7)));
    return real(input, init);
  };
}

function isApi(path: string): boolean {
  return /^\/(override|calls|agents|scenarios|doctor|nodes|session|openapi\.json)/.test(path);
}
