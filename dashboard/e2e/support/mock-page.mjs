// The page with recorded events, served with the policy of README.md.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { report } from "./chromium.mjs";

const root = fileURLToPath(new URL("../../dist-mock/", import.meta.url));

/** The header that the server must send; README.md explains each part. */
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
  "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const TYPES = {
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

/**
 * Serves the page and opens it in this browser. `problems` collects page errors, refused loads and
 * console errors.
 */
export async function start(browser) {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const name = normalize(path).replace(/^\/dashboard\//, "");
    const asset = extname(name) !== "";
    response.setHeader("Content-Security-Policy", POLICY);
    response.setHeader(
      "Content-Type",
      asset ? (TYPES[extname(name)] ?? "text/plain") : "text/html",
    );
    try {
      response.end(readFileSync(join(root, asset ? name : "index.html")));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));

  const problems = [];
  const origin = `http://127.0.0.1:${server.address().port}`;
  return {
    origin,
    problems,
    /** Opens a page of the dashboard and waits until `ready` is there. */
    async open(path, { size = { width: 1440, height: 900 }, scheme = "light", ready } = {}) {
      const page = await browser.newPage({ viewport: size });
      report(page, path, problems);
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      await page.goto(`${origin}/dashboard${path}`);
      if (ready) await page.locator(ready).first().waitFor({ timeout: 15_000 });
      return page;
    },
    stop: () => server.close(),
  };
}
