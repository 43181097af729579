// Pictures of every page, from recorded events, in Debian's Chromium: light, dark, phone size.
// The page is served with the policy of README.md, and any violation or page error fails the run.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../dist-mock/", import.meta.url));
const out = process.argv[2] ?? fileURLToPath(new URL("../../docs/images/", import.meta.url));

export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const TYPES = { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

const server = createServer((request, response) => {
  const path = new URL(request.url ?? "/", "http://localhost").pathname;
  const name = normalize(path).replace(/^\/dashboard\//, "");
  const asset = extname(name) !== "";
  response.setHeader("Content-Security-Policy", POLICY);
  response.setHeader("Content-Type", asset ? (TYPES[extname(name)] ?? "text/plain") : "text/html");
  try {
    response.end(readFileSync(join(root, asset ? name : "index.html")));
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const base = `http://127.0.0.1:${server.address().port}/dashboard`;

const profile = mkdtempSync(join(tmpdir(), "phony-chromium-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
  viewport: null,
});
mkdirSync(out, { recursive: true });

const problems = [];
const DESK = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };
const call = (digit) => `/calls/CA${String(digit).repeat(32)}`;

const PICTURES = [
  ["wallboard", "/", DESK],
  ["call", call(1), DESK],
  ["call-held", call(2), DESK],
  ["call-takeover", call(3), DESK],
  ["record", call(7), DESK],
  ["history", "/history", DESK],
  ["new-call", "/new", DESK],
  ["agents", "/agents", DESK],
  ["health", "/health", DESK],
  ["login", "/?login", DESK],
  ["quiet", "/?quiet", DESK],
  ["phone-wallboard", "/", PHONE],
  ["phone-call", call(1), PHONE],
  ["phone-history", "/history", PHONE],
];

try {
  for (const scheme of ["light", "dark"]) {
    for (const [name, path, viewport] of PICTURES) await picture(scheme, name, path, viewport);
  }
} finally {
  await browser.close();
  server.close();
  rmSync(profile, { recursive: true, force: true });
}
if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exitCode = 1;
}

async function picture(scheme, name, path, viewport) {
  const page = await browser.newPage();
  page.on("pageerror", (error) => problems.push(`${name}: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(`${name}: ${message.text()}`);
  });
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
  await page.goto(base + path);
  await page.locator("#root > *").first().waitFor();
  await page.locator("[role=progressbar]").waitFor({ state: "detached" });
  // Recorded calls are being replayed: the picture is taken once the page has settled.
  await page.waitForTimeout(2_000);
  await page.screenshot({ path: join(out, `${name}-${scheme}.png`) });
  await page.close();
}
