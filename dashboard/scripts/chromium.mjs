// A Chromium of the system's, with a profile of its own that is gone afterwards.
import { chromium } from "playwright-core";

export const launch = () =>
  chromium.launch({
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
  });

/** Collects what goes wrong in a page: its own errors, refused loads, whatever it logs as one. */
export function report(page, where, problems) {
  page.on("pageerror", (error) => problems.push(`${where}: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(`${where}: ${message.text()}`);
  });
}

/** Runs the checks whose name matches `only`, one after the other; the number of those that failed. */
export async function runChecks(checks, only = "", onFailure = async () => {}) {
  const pattern = new RegExp(only);
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    if (!pattern.test(name)) continue;
    const began = performance.now();
    try {
      const page = await check();
      await page?.close();
      console.log(`ok      ${name} (${Math.round(performance.now() - began)} ms)`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}\n${error.stack ?? error}`);
      await onFailure(name);
    }
  }
  return failed;
}
