// A real server between its stand-ins, and what the tests share.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test as base } from "@playwright/test";
import { pictures, report } from "../support/chromium.mjs";
import { startTestServer, TOKEN } from "../support/test-server.mjs";

/** What is refused on purpose, and a server that was killed, are logged by the browser itself. */
const isExpected = (problem) =>
  /status of 4(01|04|09|22)|ERR_CONNECTION_REFUSED|WebSocket/.test(problem);

export const test = base.extend({
  /** The server, shared by all tests, and its callers. */
  phony: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of what it needs from it.
    async ({}, use) => {
      const server = await startTestServer();
      await use(server);
      await server.stop();
    },
    { scope: "worker", timeout: 60_000 },
  ],
  /** What went wrong in the test’s pages; any unexpected problem fails the test. */
  problems: [
    async ({ browser, phony }, use, testInfo) => {
      const problems = [];
      await use(problems);
      await pictures(browser, testInfo);
      if (testInfo.status !== testInfo.expectedStatus) {
        writeFileSync(testInfo.outputPath("server.log"), phony.log());
      }
      for (const context of browser.contexts()) await context.close();
      assert.deepEqual(
        problems.filter((problem) => !isExpected(problem)),
        [],
      );
    },
    { auto: true },
  ],
  /** Every test begins without live calls. */
  noCallsLeft: [
    async ({ phony }, use, testInfo) => {
      await use();
      // After a failure the next test gets a server of its own.
      if (testInfo.status === testInfo.expectedStatus) await phony.endCalls();
    },
    { auto: true },
  ],
  /** Makes a supervisor with a browser context of their own. */
  somebody: async ({ browser, phony, problems }, use) => {
    await use(async ({ loggedIn = true, size = { width: 1440, height: 900 } } = {}) => {
      const context = await browser.newContext({ viewport: size, reducedMotion: "reduce" });
      context.setDefaultTimeout(15_000);
      if (loggedIn) await logIn(context, phony.origin);
      const open = async (path) => {
        const page = await context.newPage();
        report(page, path, problems);
        await page.goto(`${phony.origin}/dashboard${path}`);
        return page;
      };
      return { context, open, close: () => context.close() };
    });
  },
  supervisor: async ({ somebody }, use) => {
    await use(await somebody());
  },
});

/** Logs a browser in with the token. */
export async function logIn(context, origin) {
  const answer = await context.request.post(`${origin}/login`, { data: { token: TOKEN } });
  assert.equal(answer.status(), 200);
}

export const button = (page, name) => page.getByRole("button", { name, exact: true });
export const field = (page, name) => page.getByRole("textbox", { name, exact: true });
export const transcript = (page) => page.getByRole("region", { name: "Transcript", exact: true });
export const chip = (page, type, text) =>
  transcript(page).locator(`[data-chip=${type}]`, text === undefined ? {} : { hasText: text });
/** A finished entry of the transcript: said to its end, or as far as it was heard. */
export const entry = (page, who, text) =>
  transcript(page).locator(`[data-who=${who}]:not([data-faint=true])`, { hasText: text });

/** Ends the call by its button, and confirms it. */
export async function endCall(page) {
  await button(page, "End call").click();
  await page.getByRole("dialog").getByRole("button", { name: "End call" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
}

export async function send(page, label, text, press) {
  await field(page, label).fill(text);
  await button(page, press).click();
}

/** The frames that the server sent to the carrier. */
export const sent = (record) =>
  record.frames.filter(({ from }) => from === "application").map(({ text }) => JSON.parse(text));

/** What the caller heard, in one text. */
export const heard = (record) => record.heard.map((piece) => piece.text).join(" ");
