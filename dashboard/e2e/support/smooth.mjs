// Measures how smooth a page is. The browser's trace tells the CPU time and the wall-clock time of each
// task of the page's main thread; the page itself is told of those over 50 ms (`longtask`).
import assert from "node:assert/strict";

/** Users notice a task longer than this. */
const LIMIT_MS = 50;

/** Set if nothing else runs on the machine: then wall-clock time counts, too. */
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
 * Opens an address in a new page and holds every task to the limit, from the navigation until `work`
 * is done. Other programs slow the page without its fault, so wall-clock time is only reported, and
 * held to the limit only on an idle machine.
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

/** Lets the page run for this many milliseconds. */
export const run = (page, ms) =>
  page.evaluate((wait) => new Promise((done) => setTimeout(done, wait)), ms);
