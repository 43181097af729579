// Takes screenshots of every page from recorded events: light and dark, desktop, phone and wall size.
// Any page error or violation of the content security policy fails the run. Without an argument, only
// those that the documentation shows are taken, into docs/images; with a folder, all go there.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "@playwright/test";
import { CHROMIUM } from "../e2e/support/chromium.mjs";
import { start } from "../e2e/support/mock-page.mjs";

const all = process.argv[2];
/** Only those whose name matches, where a second argument is given. */
const wanted = new RegExp(process.argv[3] ?? "");
const out = all ?? fileURLToPath(new URL("../../docs/images/", import.meta.url));
mkdirSync(out, { recursive: true });

const DESK = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };
const WALL = { width: 3840, height: 2160 };
const call = (digit) => `/calls/CA${String(digit).repeat(32)}`;

/** Calls an agent from the page, talks, and interrupts it. */
async function talk(page) {
  const say = async (words) => {
    await page.getByRole("textbox", { name: "Your words" }).fill(words);
    await page.keyboard.press("Enter");
  };
  const hears = (words) => page.locator("[data-caption]", { hasText: words }).waitFor();
  await page.getByRole("button", { name: "Start call" }).click();
  await page.locator("[data-who=ai]:not([data-faint=true])").waitFor();
  await say("Hi, I lost my debit card.");
  await hears("block the card right away and");
  await say("Sorry, my name is Linda Brown.");
  await hears("The new card is on");
}

/** Name, address, size, what to wait for, and what to do then. */
const PICTURES = [
  ["wallboard", "/", DESK, "text=Approve"],
  ["call", call(1), DESK, "[data-chip=query]"],
  ["call-held", call(2), DESK, "[data-chip=pending_response]"],
  ["call-takeover", call(3), DESK, "[data-who=supervisor]"],
  ["record", call(7), DESK, "[data-chip=session_end]"],
  ["history", "/history", DESK, "main li"],
  ["new-call", "/new", DESK, "form"],
  ["softphone", "/softphone", DESK, "form"],
  ["softphone-call", "/softphone?quiet", DESK, "form", talk],
  ["agents", "/agents", DESK, "h3"],
  ["health", "/health", DESK, "[data-node]"],
  ["login", "/?login", DESK, "form"],
  ["quiet", "/?quiet", DESK, "text=All quiet"],
  ["phone-wallboard", "/", PHONE, "[data-row='0']"],
  ["phone-call", call(1), PHONE, "[data-chip=query]"],
  ["phone-history", "/history", PHONE, "main li"],
  ["phone-record", call(7), PHONE, "[data-chip=session_end]"],
  ["phone-new-call", "/new", PHONE, "form"],
  ["phone-softphone", "/softphone?quiet", PHONE, "form", talk],
  ["phone-agents", "/agents", PHONE, "h3"],
  ["phone-health", "/health", PHONE, "[data-node]"],
  ["phone-login", "/?login", PHONE, "form"],
  ["wall-wallboard", "/?load=60", WALL, "text=Approve"],
  ["wall-call", call(1), WALL, "[data-chip=query]"],
  ["wall-health", "/health", WALL, "[data-node]"],
  ["wall-new-call", "/new?scenario=inquiry", WALL, "form"],
];

const IN_DOCS = ["wallboard-light", "call-light", "softphone-call-dark"];

const browser = await chromium.launch(CHROMIUM);
const site = await start(browser);
try {
  for (const scheme of ["light", "dark"]) {
    for (const [name, path, size, ready, act] of PICTURES) {
      if (!wanted.test(name)) continue;
      if (!all && !IN_DOCS.includes(`${name}-${scheme}`)) continue;
      const page = await site.open(path, { size, scheme, ready });
      await page.evaluate(() => document.fonts.ready);
      await act?.(page);
      await page.screenshot({ path: join(out, `${name}-${scheme}.png`) });
      await page.close();
    }
  }
} finally {
  await browser.close();
  site.stop();
}
for (const problem of site.problems) console.error(problem);
process.exitCode = site.problems.length > 0 ? 1 : 0;
