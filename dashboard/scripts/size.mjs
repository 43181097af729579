// Fails when what the first page loads is over the budget: script under 250 KB compressed.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGET = 250 * 1024;
const dist = new URL("../dist/", import.meta.url);

const page = readFileSync(new URL("index.html", dist), "utf8");
if (/<script(?![^>]*\bsrc=)/.test(page) || /<style/.test(page) || /\sstyle=/.test(page)) {
  throw new Error("index.html has an inline script or style, which the policy refuses");
}
const size = (name) => gzipSync(readFileSync(new URL(`assets/${name}`, dist))).length;
const scripts = readdirSync(new URL("assets/", dist)).filter((name) => name.endsWith(".js"));
const sizes = new Map(scripts.map((name) => [name, size(name)]));

/** What the page asks for at once: all that the first page needs. */
const first = new Set([...page.matchAll(/assets\/([^"]+\.js)"/g)].map(([, name]) => name));
if (![...first].some((name) => name.startsWith("Wallboard"))) {
  throw new Error("index.html does not ask for the first page");
}

const kb = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;
const total = [...sizes.values()].reduce((sum, each) => sum + each, 0);
const loaded = [...first].reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
console.log(`script, compressed: first page ${kb(loaded)}, all pages ${kb(total)}`);
if (loaded > BUDGET) throw new Error(`over the budget of ${kb(BUDGET)}`);
