// How smooth a page is, by the browser's own account: its trace tells how long each task of the
// page's main thread took, of the processor's time and by the clock, and the page itself is told of
// those over 50 ms (`longtask`).
import assert from "node:assert/strict";

/** A task longer than this is felt. */
const LIMIT_MS = 50;

/** Set where nothing else runs on the machine: then the clock counts, too. */
const ALONE = process.env.PHONY_MACHINE_IS_IDLE === "1";

/** Runs in the page before anything else does. */
function observe() {
  window.longTasks = [];
  const observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) {
      window.longTasks.push({ at: Math.round(startTime), ms: Math.round(duration) });
    }
  });
  observer.observe({ type: "longtask", buffered: true });
}

/**
 * Opens an address on a new page and holds every task to the limit, from the navigation until
 * `work` is done. What other programs take of the processor meanwhile is not the page's fault: the
 * clock is reported, and held to the limit only on a machine that is idle.
 */
export async function smooth(context, address, work) {
  const browser = context.browser();
  const page = await context.newPage();
  await page.addInitScript(observe);
  await browser.startTracing(page, {
    categories: ["toplevel", "blink.user_timing", "disabled-by-default-devtools.timeline"],
  });
  await page.goto(address);
  await work(page);
  const { traceEvents } = JSON.parse(String(await browser.stopTracing()));
  const observed = await page.evaluate(() => window.longTasks);
  const begun = traceEvents.findLast(
    ({ name, args }) =>
      name === "navigationStart" && args.data?.documentLoaderURL?.startsWith(address),
  );
  assert(begun, "the trace does not hold the navigation");
  const tasks = traceEvents.filter(
    ({ name, pid, tid, ts }) =>
      name === "RunTask" && pid === begun.pid && tid === begun.tid && ts >= begun.ts,
  );
  assert(tasks.length > 100, `the trace holds ${tasks.length} tasks`);
  const longest = (times) => Math.round(Math.max(...times) / 100) / 10;
  const report = {
    tasks: tasks.length,
    longest: longest(tasks.map(({ tdur }) => tdur ?? 0)),
    longestByTheClock: longest(tasks.map(({ dur }) => dur ?? 0)),
    observed,
  };
  const said = JSON.stringify(report);
  assert(report.longest < LIMIT_MS, said);
  if (ALONE) assert(observed.length === 0, said);
  await page.close();
  return report;
}

/** Lets the page run for so long. */
export const run = (page, ms) =>
  page.evaluate((wait) => new Promise((done) => setTimeout(done, wait)), ms);
