// The server, the browser, and what every check does with them.
import assert from "node:assert/strict";
import { launch, report } from "../chromium.mjs";
import { startTestServer, TOKEN } from "../test-server.mjs";

export const phony = await startTestServer();
export const browser = await launch();
export const problems = [];
export const figures = {};

/** A browser of its own: cookies, storage and all. */
export async function somebody({ loggedIn = true, size = { width: 1440, height: 900 } } = {}) {
  const context = await browser.newContext({ viewport: size, reducedMotion: "reduce" });
  context.setDefaultTimeout(15_000);
  if (loggedIn) {
    const answer = await context.request.post(`${phony.origin}/login`, { data: { token: TOKEN } });
    assert.equal(answer.status(), 200);
  }
  const open = async (path) => {
    const page = await context.newPage();
    report(page, path, problems);
    await page.goto(`${phony.origin}/dashboard${path}`);
    return page;
  };
  return { context, open, close: () => context.close() };
}

export const supervisor = await somebody();
export const button = (page, name) => page.getByRole("button", { name, exact: true });
export const field = (page, name) => page.getByRole("textbox", { name, exact: true });
export const transcript = (page) => page.getByRole("region", { name: "Transcript", exact: true });
export const chip = (page, type, text) =>
  transcript(page).locator(`[data-chip=${type}]`, text === undefined ? {} : { hasText: text });
/** A finished line: its words have been said to their end, or as far as they were heard. */
export const line = (page, who, text) =>
  transcript(page).locator(`[data-who=${who}]:not([data-faint=true])`, { hasText: text });

/** Ends the call by its button, and says yes when asked. */
export async function endCall(page) {
  await button(page, "End call").click();
  await page.getByRole("dialog").getByRole("button", { name: "End call" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
}

export async function send(page, label, text, press) {
  await field(page, label).fill(text);
  await button(page, press).click();
}

/** Keeps a picture of every page that is open when a check fails, where a folder is named. */
export async function picture(name) {
  const folder = process.env.PHONY_PICTURES;
  if (!folder) return;
  const pages = browser.contexts().flatMap((context) => context.pages());
  for (const [at, page] of pages.entries()) {
    await page.screenshot({ path: `${folder}/${name.slice(0, 40)} ${at}.png` });
  }
}

/** What the server sent down the line, frame by frame. */
export const sent = (record) =>
  record.frames.filter(({ from }) => from === "application").map(({ text }) => JSON.parse(text));

/** What the far end of a call heard, in one text. */
export const heard = (record) => record.heard.map((piece) => piece.text).join(" ");
