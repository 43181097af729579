// The wallboard, its alerts, and the way to what was.
import assert from "node:assert/strict";
import { DESK, sidOf, test } from "./fixtures.mjs";

test("who needs a human comes first, with the reason in words", async ({ site }) => {
  const page = await site.open("/", { ready: "a[data-row='5']" });
  const rows = await page
    .locator("a[data-row]")
    .evaluateAll((all) =>
      all
        .sort((a, b) => Number(a.dataset.row) - Number(b.dataset.row))
        .map((row) => row.innerText.replaceAll("\n", " ")),
    );
  const at = (words) => rows.findIndex((row) => words.test(row));
  const order = [
    at(/question waiting \d+ s/),
    at(/reply held \d+ s/),
    at(/asks for a human/),
    at(/repeated misunderstanding/),
  ];
  assert.deepEqual(order, [0, 1, 2, 3], rows.join("\n"));
  // The numbers are hidden until they are pointed at, or until that is switched off.
  const number = page.locator("a[data-row='0']").getByText("0142");
  assert.equal(await number.innerText(), "••• 0142");
  await number.hover();
  await page.getByText("+1 415 555 0142").first().waitFor();
  await page.mouse.move(0, 0);
  await page.getByRole("button", { name: "Show phone numbers" }).click();
  await page.locator("a[data-row='0']").getByText("+1 415 555 0142").waitFor();
});

test("when all is quiet, it is said what can be done", async ({ site }) => {
  const page = await site.open("/?quiet", { ready: "text=All quiet" });
  const steps = page.getByRole("region", { name: "To set up" });
  await steps.getByText("Set TRANSFER_NUMBER=").waitFor();
  assert.equal(await steps.getByRole("listitem").count(), 1);
  const list = page.getByRole("region", { name: "Live calls" });
  await list.getByText("phony demo").waitFor();
  await list.getByRole("link", { name: "Softphone" }).click();
  await page.getByRole("button", { name: "Start call" }).waitFor();
});

test("a call that begins to wait is heard, and notified of while the supervisor looks elsewhere", async ({
  site,
}) => {
  const context = await site.browser.newContext({ viewport: DESK });
  await context.grantPermissions(["notifications"], { origin: site.origin });
  await context.addInitScript(alertsAreRecorded);
  const page = await context.newPage();
  site.watch(page);
  await page.goto(`${site.origin}/dashboard/`);
  await page.locator("a[data-row='4']").waitFor();
  const tones = () => page.evaluate(() => window.tones);
  const ask = (text) =>
    page.evaluate(
      ([sid, prompt]) => window.phonyMock.add(sid, "query", { prompt }),
      [sidOf(5), text],
    );
  const board = page.getByRole("region", { name: "Needs a human" });

  // Not asked for: silence.
  await ask("Is this heard?");
  await board.getByText("Is this heard?").waitFor();
  assert.equal(await tones(), 0);
  await page.evaluate(
    (sid) => window.phonyMock.add(sid, "query_response", { text: "No." }),
    sidOf(5),
  );
  await board.getByText("Is this heard?").waitFor({ state: "detached" });

  // Asked for: a sample at once, and the sound alone while the page is looked at.
  await page.getByRole("button", { name: "Alert me when a call waits" }).click();
  await page.getByText("be notified while you look elsewhere").waitFor();
  assert.equal(await tones(), 2);
  await page.evaluate(() => window.look(true));
  await ask("May I waive the fee?");
  await page.waitForFunction(() => window.tones === 4);
  assert.deepEqual(await page.evaluate(() => window.notices), []);
  await page.evaluate(
    (sid) => window.phonyMock.add(sid, "query_response", { text: "Yes." }),
    sidOf(5),
  );

  // Looked away from: both, once, and a click leads to the call.
  await page.evaluate(() => window.look(false));
  await ask("May I send a new card?");
  await page.waitForFunction(() => window.notices.length > 0);
  await ask("And a letter?");
  await page.getByText("1 more question waits").waitFor();
  const notices = await page.evaluate(() =>
    window.notices.map(({ title, options }) => ({ title, body: options.body })),
  );
  assert.deepEqual(notices, [
    { title: "A call needs you", body: "The AI asks: May I send a new card?" },
  ]);
  assert.equal(await tones(), 6);
  await page.evaluate(() => window.notices[0].shown.onclick());
  await page.getByRole("region", { name: "Transcript" }).waitFor();
  assert.match(page.url(), /calls\/CA5+$/);

  // The choice outlives the page; and it can be taken back.
  await page.reload();
  await page.getByRole("button", { name: "Stop alerting me" }).click();
  await page.getByRole("button", { name: "Alert me when a call waits" }).waitFor();
  await context.close();
});

test("where the browser forbids notifications, that is said, and the sound remains", async ({
  site,
}) => {
  const context = await site.browser.newContext({ viewport: DESK });
  await context.addInitScript(alertsAreRecorded);
  await context.addInitScript(() => {
    Object.defineProperty(Notification, "permission", { get: () => "denied" });
  });
  const page = await context.newPage();
  site.watch(page);
  await page.goto(`${site.origin}/dashboard/`);
  await page.locator("a[data-row='4']").waitFor();
  await page.getByRole("button", { name: "Alert me when a call waits" }).click();
  await page.getByText("The browser does not let this page notify you.").waitFor();
  await page.evaluate(() => window.look(false));
  await page.evaluate((sid) => window.phonyMock.add(sid, "query", { prompt: "Hm?" }), sidOf(5));
  await page.waitForFunction(() => window.tones === 4);
  assert.deepEqual(await page.evaluate(() => window.notices), []);
  await context.close();
});

test("a search leads to the turn that matched", async ({ site }) => {
  const page = await site.open("/history", { ready: "main li" });
  await page.getByRole("searchbox", { name: "Search calls" }).fill("left the warehouse");
  await page.getByRole("listitem").filter({ hasText: "I found it." }).getByRole("link").click();
  await page.locator("[data-who=ai]", { hasText: "I found it." }).waitFor();
  assert.match(page.url(), /calls\/CA7+#\d+$/);
});

test("orders that became no call are shown with the reason and who gave them", async ({ site }) => {
  const page = await site.open("/history", { ready: "main li" });
  await page.getByRole("combobox", { name: "Show" }).click();
  await page.getByRole("option", { name: "Refused" }).click();
  const order = page.getByRole("listitem").filter({ hasText: "on the do-not-call list" });
  await order.getByText("ordered by admin").waitFor();
  assert.equal(await order.getByRole("link").count(), 0, "there is no call to open");
  assert.match(page.url(), /show=refused/);
  await page.getByRole("combobox", { name: "Show" }).click();
  await page.getByRole("option", { name: "Failed" }).click();
  await page.getByText("the account may not call this number").waitFor();
});

/**
 * Runs in the page: counts the tones that are played and keeps the notifications that are shown,
 * and lets a test look away from the page.
 */
function alertsAreRecorded() {
  window.tones = 0;
  const play = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function start(...when) {
    window.tones += 1;
    return play.apply(this, when);
  };
  window.notices = [];
  window.Notification = class extends Notification {
    constructor(title, options) {
      super(title, options);
      window.notices.push({ title, options, shown: this });
    }
  };
  let looking = true;
  window.look = (now) => {
    looking = now;
    document.dispatchEvent(new Event("visibilitychange"));
  };
  Object.defineProperty(document, "hidden", { get: () => !looking });
  document.hasFocus = () => looking;
}
