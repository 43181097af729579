// The page on recorded events, and what the tests share.
import assert from "node:assert/strict";
import { test as base } from "@playwright/test";
import { pictures, report } from "../support/chromium.mjs";
import { start } from "../support/mock-page.mjs";

export const DESK = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };

/** The recorded calls are told apart by a digit. */
export const sidOf = (digit) => `CA${String(digit).repeat(32)}`;
export const call = (digit) => `/calls/${sidOf(digit)}`;

/** Problems that tests provoke: a refused log-in, a missing route. */
const isExpected = (problem) => / 40[14] |status of 40/.test(problem);

export const test = base.extend({
  server: [
    async ({ browser }, use) => {
      const server = await start(browser);
      await use(server);
      await server.stop();
    },
    { scope: "worker" },
  ],
  /** The page's server, and how to open its pages; any error of a page fails the test. */
  site: async ({ server, browser }, use, testInfo) => {
    server.problems.length = 0;
    await use({
      ...server,
      browser,
      /** Collects what goes wrong in a page of a context of its own. */
      watch: (page) => report(page, "context", server.problems),
    });
    await pictures(browser, testInfo);
    for (const context of browser.contexts()) await context.close();
    assert.deepEqual(
      server.problems.filter((problem) => !isExpected(problem)),
      [],
    );
  },
});
