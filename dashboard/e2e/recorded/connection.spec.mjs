// Whose time is shown, whether what is shown is live, and alerts where the browser allows little.
import assert from "node:assert/strict";
import { setClock } from "../support/clock.mjs";
import { call, DESK, PHONE, sidOf, test } from "./fixtures.mjs";

const SEVEN_MINUTES_S = 420;

/** Asks a question with a minute's time. */
const ask = (page, digit, prompt) =>
  page.evaluate(
    ([sid, text]) => window.phonyMock.add(sid, "query", { prompt: text, timeoutMs: 60_000 }),
    [sidOf(digit), prompt],
  );

/** Asserts that a timer shows a time such as `0:57` within these bounds, in seconds. */
async function shows(timer, from, to) {
  const seconds = async () => {
    const [, minutes, rest] = /(\d+):(\d\d)/.exec(await timer.innerText()) ?? [];
    return Number(minutes) * 60 + Number(rest);
  };
  await timer.waitFor();
  const found = await seconds();
  assert(found >= from && found <= to, `${found} s are shown, not ${from} to ${to}`);
}

/** A page that is alerted, with what its browser allows. */
async function alerted(site, browser, size = DESK) {
  const context = await site.browser.newContext({ viewport: size });
  await context.grantPermissions(["notifications"], { origin: site.origin });
  await context.addInitScript(() => {
    localStorage.setItem("phony.settings", JSON.stringify({ alerts: true }));
  });
  await context.addInitScript(browser);
  const page = await context.newPage();
  site.watch(page);
  await page.goto(`${site.origin}/dashboard/`);
  await page.locator("a[data-row='4']").waitFor();
  return { context, page };
}

/** Runs in the page: Chrome on Android, where nobody looks at the page. */
function android() {
  window.Notification = class {
    static permission = "granted";
    static requestPermission = async () => "granted";
    constructor() {
      throw new TypeError("Failed to construct 'Notification': Illegal constructor.");
    }
  };
  window.notices = [];
  ServiceWorkerRegistration.prototype.showNotification = async (title, options) => {
    window.notices.push({ title, options });
  };
  Object.defineProperty(document, "hidden", { get: () => true });
}

/**
 * Runs in the page: a browser that lets nothing sound before the page has been touched, and counts
 * the tones that are played. What a check runs in a page counts as a touch in Chromium itself.
 */
function silentUntilTouched() {
  let touched = false;
  const waiting = [];
  window.AudioContext = class extends AudioContext {
    get state() {
      return touched ? super.state : "suspended";
    }
    resume() {
      if (touched) return super.resume();
      return new Promise((done) => waiting.push(() => super.resume().then(done)));
    }
    constructor() {
      super();
      waiting.push(() => this.dispatchEvent(new Event("statechange")));
    }
  };
  const touch = () => {
    touched = true;
    for (const each of waiting.splice(0)) each();
  };
  addEventListener("pointerdown", touch, { capture: true });
  window.tones = 0;
  const play = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function start(...when) {
    window.tones += 1;
    return play.apply(this, when);
  };
}

test("lengths and times left are the server's, whatever the browser's clock says", async ({
  site,
}) => {
  for (const skew of [SEVEN_MINUTES_S, -SEVEN_MINUTES_S]) {
    const page = await site.open(`${call(5)}?skew=${skew}`, { ready: "[data-who]" });
    const length = page.getByRole("timer", { name: "Length" });
    await shows(length, 1, 180);
    await ask(page, 5, "May I?");
    const left = page.getByRole("timer").filter({ hasText: "left" });
    await shows(left, 50, 60);
    await page.close();
    const board = await site.open(`/?skew=${skew}`, { ready: "a[data-row='4']" });
    const text = await board.locator("main").innerText();
    assert.doesNotMatch(text, /[67] min/, `a wrong age with a clock ${skew} s off`);
    await board.close();
  }
});

test("a browser's clock that is set in the middle of a call changes nothing", async ({ site }) => {
  const page = await site.open(call(5), { ready: "[data-who]" });
  await ask(page, 5, "May I?");
  const length = page.getByRole("timer", { name: "Length" });
  const left = page.getByRole("timer").filter({ hasText: "left" });
  for (const ms of [SEVEN_MINUTES_S * 1_000, -SEVEN_MINUTES_S * 1_000]) {
    await page.evaluate(setClock, ms);
    // More than a tick of what is shown.
    const before = await length.innerText();
    await page.waitForFunction(
      (text) => document.querySelector("[role=timer]")?.textContent !== text,
      before,
    );
    await shows(length, 1, 200);
    await shows(left, 30, 60);
  }
});

test("a page whose socket has died without a word says so within 15 s, and catches up", async ({
  site,
}) => {
  const page = await site.open(call(4), { ready: "[data-who=ai]" });
  await page.getByText("Live", { exact: true }).waitFor();
  await page.evaluate(() => window.phonyMock.stopSockets(true));
  await page.evaluate(
    ([sid]) =>
      window.phonyMock.add(sid, "transcript", {
        speaker: "caller",
        text: "Unseen.",
        final: true,
      }),
    [sidOf(4)],
  );
  await page.getByText("Not live", { exact: true }).waitFor({ timeout: 15_500 });
  await page.getByText("The connection to the server was lost").waitFor();
  // In one step, for the page tries by itself as well and then takes the button away.
  await page.getByRole("button", { name: "Try now" }).evaluate((button) => {
    window.phonyMock.stopSockets(false);
    button.click();
  });
  await page.locator("[data-who=caller]", { hasText: "Unseen." }).waitFor();
  await page.getByText("Live", { exact: true }).waitFor();
});

test("where a page may not notify by itself its worker does, and the title counts who waits", async ({
  site,
}) => {
  const { context, page } = await alerted(site, android, PHONE);
  // Of those that waited when the page was opened.
  await page.waitForFunction(() => window.notices.length > 0);
  await ask(page, 5, "May I send a new card?");
  await page.waitForFunction(() => window.notices.at(-1).options.body.includes("new card"));
  const { title, options } = await page.evaluate(() => window.notices.at(-1));
  assert.equal(title, "A call needs you");
  assert.equal(options.body, "The AI asks: May I send a new card?");
  await page.waitForFunction(() => /^\(\d+\) /.test(document.title));
  // A click on it, as the worker tells the page.
  await page.evaluate(
    (data) => navigator.serviceWorker.dispatchEvent(new MessageEvent("message", { data })),
    { open: options.data.path },
  );
  await page.waitForURL(/calls\/CA5+$/);
  await context.close();
});

test("a sound that the browser holds back is said, and a button lets it sound", async ({
  site,
}) => {
  const { context, page } = await alerted(site, silentUntilTouched);
  const said = page.getByText("The browser keeps this page silent until you touch it");
  await said.waitFor();
  // One after the other, so that each is heard of: the next waits when the last is answered.
  for (let at = 0; at < 10; at += 1) {
    await ask(page, 5, `Number ${at}?`);
    await page.getByText(`Number ${at}?`).first().waitFor();
    await page.evaluate(
      (sid) => window.phonyMock.add(sid, "query_response", { text: "Yes." }),
      sidOf(5),
    );
    await page.getByText(`Number ${at}?`).waitFor({ state: "detached" });
  }
  assert.equal(await page.evaluate(() => window.tones), 0);
  await page.getByRole("button", { name: "Turn the sound on" }).click();
  await said.waitFor({ state: "detached" });
  // What was held back sounds once, however often it was.
  await page.waitForFunction(() => window.tones > 0);
  const tones = await page.evaluate(() => window.tones);
  assert(tones < 10, `${tones} tones at once`);
  await context.close();
});
