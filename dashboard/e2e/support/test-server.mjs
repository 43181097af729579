// A server and the stand-ins for the carrier and the model, as processes, and callers who call it.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const phony =
  process.env.PHONY_BIN ?? fileURLToPath(new URL("../../../target/debug/phony", import.meta.url));

export const TOKEN = "the-supervisors-token-of-this-test";
export const NUMBER = "+14155550100";
/** Answered by an agent whose every reply waits for a supervisor. */
export const CAREFUL_NUMBER = "+14155550101";
const ACCOUNT = "AC00000000000000000000000000000001";
const CARRIER_TOKEN = "an-auth-token-for-this-test-only";

/** Real callers take their time; the tests’ callers speak and listen faster. */
const PACE = ["--voice", "15", "--speed", "4"];

const CONFIG = `
[agents]
folder = "agents"
numbers = { "${CAREFUL_NUMBER}" = "careful" }
`;

const CAREFUL = `
name = "Careful"
greeting = "Hello, this is the careful one."
instructions = "You answer the telephone."

[approval]
always = true
`;

/** Starts the model and the server. */
export async function startTestServer() {
  const folder = mkdtempSync(join(tmpdir(), "phony-browser-"));
  mkdirSync(join(folder, "agents"));
  writeFileSync(join(folder, "phony.toml"), CONFIG);
  writeFileSync(join(folder, "agents", "careful.toml"), CAREFUL);
  const running = new Set();

  /** Starts a process; `out` and `err` are what it has printed so far. */
  function start(args, env = {}) {
    const child = spawn(phony, args, {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const run = { child, out: "", err: "" };
    child.stdout.on("data", (data) => {
      run.out += data;
    });
    child.stderr.on("data", (data) => {
      run.err += data;
    });
    run.over = new Promise((done) => child.once("close", done));
    running.add(child);
    run.over.then(() => running.delete(child));
    return run;
  }

  const model = start(["sim", "openai", "--port", "0"]);
  const modelUrl = await printed(model, /OPENAI_BASE_URL=(\S+)/);
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const proxy = await retryingProxy(port);
  writeFileSync(join(folder, "callee.txt"), "Where are you?\n/wait 600s\n");
  const network = start([
    ...["sim", "twilio", "--port", "0", "--auth-token", CARRIER_TOKEN, "--account-sid", ACCOUNT],
    ...["--number", NUMBER, "--caller", "callee.txt", ...PACE],
    ...["--voice-url", `${origin}/receive_call`, "--reach", `localhost:${port}=${origin}`],
  ]);
  const networkUrl = await printed(network, /TWILIO_API_BASE_URL=(\S+)/);
  let server;
  let login = "";

  /** Starts a server as an operator would. */
  function serving(more) {
    return start(["serve"], {
      PHONY_ADMIN_TOKEN: TOKEN,
      PHONY_API_RATE: "0",
      TWILIO_AUTH_TOKEN: CARRIER_TOKEN,
      TWILIO_ACCOUNT_SID: ACCOUNT,
      TWILIO_API_BASE_URL: networkUrl,
      PHONY_CALLING_HOURS: "off",
      TWILIO_PHONE_NUMBER: NUMBER,
      OPENAI_API_KEY: "any",
      OPENAI_BASE_URL: modelUrl,
      ...more,
    });
  }

  async function serve() {
    server = serving({ PORT: String(port), PHONY_DATA_DIR: join(folder, "data") });
    login = await printed(server, /(http[^\s"]+\/login\?code=[0-9a-f]+)/);
  }

  /** Requests a resource as a supervisor's script would. */
  async function ask(path) {
    const answer = await fetch(origin + path, { headers: { Authorization: `Bearer ${TOKEN}` } });
    return answer.json();
  }

  await serve();
  return {
    origin,
    /** The link that the server printed when it started. */
    login: () => login.replace("localhost", "127.0.0.1"),
    /** Ends the server as a crash would; `serve` starts it again. */
    async kill() {
      server.child.kill("SIGKILL");
      await server.over;
    },
    serve,
    /** Starts further servers that share a Redis as one cluster; `end` sends a signal to one. */
    async several(count) {
      const store = await freePort();
      const redis = spawn("redis-server", ["--port", `${store}`, "--save", "", "--dir", folder], {
        stdio: "ignore",
      });
      running.add(redis);
      redis.once("close", () => running.delete(redis));
      const begin = async (_, at) => {
        const run = serving({
          PORT: String(await freePort()),
          PHONY_DATA_DIR: join(folder, `node-${at}`),
          REDIS_URL: `redis://127.0.0.1:${store}`,
        });
        const link = await printed(run, /(http\S+)\/login\?code=/);
        const end = (signal) => {
          run.child.kill(signal);
          return within(run.over, "a node's end");
        };
        return { origin: link.replace("localhost", "127.0.0.1"), end };
      };
      const nodes = await Promise.all(Array.from({ length: count }, begin));
      return { nodes, close: () => redis.kill("SIGKILL") };
    },
    /** A second server, and a load generator whose calls ramp up and whose model streams words. */
    async underLoad(calls, perSecond, seconds) {
      const modelPort = await freePort();
      const loadedPort = await freePort();
      const env = {
        PORT: String(loadedPort),
        PHONY_DATA_DIR: join(folder, "load"),
        PHONY_DIAL_RATE: "0",
        OPENAI_BASE_URL: `http://127.0.0.1:${modelPort}/v1`,
      };
      const run = serving(env);
      await printed(run, /(http[^\s"]+\/login\?code=[0-9a-f]+)/);
      const from = `http://127.0.0.1:${loadedPort}`;
      const begin = () =>
        start(
          [
            ...["load", "--json", "--calls", `${calls}`, "--ramp", `${perSecond}`],
            ...["--seconds", `${seconds}`, "--server", from, "--model-port", `${modelPort}`],
          ],
          { ...env, TWILIO_AUTH_TOKEN: CARRIER_TOKEN, OPENAI_API_KEY: "any" },
        );
      return { origin: from, begin, end: () => run.child.kill("SIGKILL") };
    },
    /**
     * A caller calls, says these lines, and then waits. Resolves with the call’s `sid` once the server
     * has it; `record` resolves once it is over, with all that the carrier recorded of it. With `retrying`, the carrier
     * connects through a proxy that waits for a server that is being started again, as a load balancer
     * does.
     */
    async ring(lines, number = NUMBER, { retrying = false } = {}) {
      const name = `caller-${Math.random().toString(36).slice(2)}.txt`;
      writeFileSync(join(folder, name), [...lines, "/wait 600s"].join("\n"));
      const known = new Set((await this.calls()).map((call) => call.callSid));
      const run = start([
        ...["sim", "twilio", "--call", number, "--caller", name, "--json"],
        ...["--auth-token", CARRIER_TOKEN, ...PACE, "--number", NUMBER],
        ...(retrying
          ? ["--voice-url", `https://localhost:${port}/receive_call`]
          : ["--voice-url", `${origin}/receive_call`]),
        ...(retrying ? ["--reach", `localhost:${port}=${proxy.origin}`] : []),
      ]);
      const sid = await eventually(async () => {
        if (run.child.exitCode !== null) throw new Error(`the call failed: ${run.out}${run.err}`);
        return (await this.calls()).find((call) => !known.has(call.callSid))?.callSid;
      }, "the call to arrive");
      return {
        sid,
        async record() {
          await within(run.over, "the call's end");
          return JSON.parse(run.out);
        },
        hangUp: () => run.child.kill("SIGKILL"),
      };
    },
    ask,
    calls: async () => (await ask("/calls?live=true")).calls,
    /** Ends every live call. One whose caller was killed would otherwise be kept for half a minute. */
    async endCalls() {
      await eventually(async () => {
        const left = await this.calls();
        for (const { callSid } of left) {
          await fetch(`${origin}/override/end`, {
            method: "POST",
            headers: { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" },
            body: JSON.stringify({ callSid }),
          });
        }
        return left.length === 0;
      }, "all calls to end");
    },
    log: () => server.err + server.out,
    async stop() {
      proxy.close();
      const all = [...running];
      for (const child of all) child.kill("SIGKILL");
      await Promise.all(all.map((child) => new Promise((done) => child.once("close", done))));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until a process has printed something that matches; resolves with the first group. */
function printed(run, pattern) {
  return eventually(async () => {
    if (run.child.exitCode !== null) throw new Error(`it ended: ${run.out}${run.err}`);
    return pattern.exec(run.out + run.err)?.[1];
  }, String(pattern));
}

const LIMIT_MS = 20_000;

/** Asks repeatedly until there is a truthy answer. */
export async function eventually(ask, what) {
  const end = Date.now() + LIMIT_MS;
  while (Date.now() < end) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`timed out waiting for ${what}`);
}

async function within(promise, what) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`timed out waiting for ${what}`)), LIMIT_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Holds a connection until the server accepts it; closes it when the server dies. */
async function retryingProxy(port) {
  const proxy = createServer((outside) => {
    outside.on("error", () => {});
    const end = Date.now() + LIMIT_MS;
    const enter = () => {
      const inside = connect(port, "127.0.0.1");
      inside.once("error", () => {
        if (Date.now() < end && !outside.destroyed) setTimeout(enter, 50);
        else outside.destroy();
      });
      inside.once("connect", () => {
        inside.removeAllListeners("error");
        inside.on("error", () => outside.destroy());
        inside.on("close", () => outside.destroy());
        outside.on("close", () => inside.destroy());
        inside.pipe(outside);
        outside.pipe(inside);
      });
    };
    enter();
  });
  await new Promise((done) => proxy.listen(0, "127.0.0.1", done));
  return {
    origin: `http://127.0.0.1:${proxy.address().port}`,
    close: () => proxy.close(),
  };
}

function freePort() {
  return new Promise((done, fail) => {
    const probe = createServer();
    probe.once("error", fail);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}
