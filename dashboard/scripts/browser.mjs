// The page in a real browser, on recorded events: every control pressed and its effect seen, the
// plug pulled, hostile text, axe, and how smooth it stays under load. Fails on the first surprise.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { report as reportProblems, runChecks } from "./chromium.mjs";
import { start } from "./mock-page.mjs";
import { run, smooth } from "./smooth.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const call = (digit) => `/calls/CA${String(digit).repeat(32)}`;
const PHONE = { width: 390, height: 844 };
const DESK = { width: 1440, height: 900 };
const PAGES = ["/history", "/new", "/softphone", "/agents", "/health"];

const checks = {
  async "a wrong token is refused, the right one opens the page"() {
    const page = await site.open("/?login", { ready: "form" });
    await page.getByLabel("Access token").fill("wrong");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("This token is not right").waitFor();
    await page.getByLabel("Access token").fill("letmein");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("region", { name: "Live calls" }).waitFor();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("Access token").waitFor();
    return page;
  },

  async "a question is answered from the wallboard"() {
    const page = await site.open("/", { ready: "a[data-row='4']" });
    const needs = page.getByRole("region", { name: "Needs a human" });
    await needs.getByRole("textbox", { name: "Answer for AI" }).fill("Yes, waive it.");
    await needs.getByRole("button", { name: "Answer", exact: true }).click();
    await needs.getByRole("textbox", { name: "Answer for AI" }).waitFor({ state: "detached" });
    await needs.getByRole("button", { name: "Approve" }).click();
    await needs.getByText("Nobody is waiting for you.").waitFor();
    return page;
  },

  async "every hand on a call does what it says"() {
    const page = await site.open(call(6), { ready: "[data-who]" });
    const transcript = page.getByRole("region", { name: "Transcript" });
    await page.getByRole("textbox", { name: "Say to caller" }).fill("One moment please.");
    await page.getByRole("button", { name: "Say", exact: true }).click();
    await transcript.locator("[data-who=supervisor]", { hasText: "One moment please." }).waitFor();
    await page.getByRole("textbox", { name: "Whisper to AI" }).fill("Be brief.");
    await page.getByRole("button", { name: "Whisper", exact: true }).click();
    await transcript.locator("[data-chip=whisper]", { hasText: "Be brief." }).waitFor();
    for (const digit of ["0", "9", "*", "#"]) {
      await page.getByRole("button", { name: `Digit ${digit}`, exact: true }).click();
      await transcript
        .locator("[data-chip=command_executed]", { hasText: `Press${digit}` })
        .waitFor();
    }
    await page.getByRole("button", { name: "Take over" }).click();
    await transcript.locator("[data-chip=takeover]").waitFor();
    await page.getByRole("button", { name: "Release" }).click();
    await transcript.locator("[data-chip=release]").waitFor();
    assert(await page.getByRole("button", { name: "Transfer", exact: true }).isDisabled());
    await page.getByRole("textbox", { name: "Transfer to" }).fill("+1 415 555 0171");
    await page.getByRole("button", { name: "Transfer", exact: true }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "End call" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "End call" }).click();
    await transcript.locator("[data-chip=session_end]").waitFor();
    await page.getByText("Record").first().waitFor();
    return page;
  },

  async "a held reply is edited and sent, another rejected with a reason"() {
    const page = await site.open(call(2), { ready: "[data-chip=pending_response]" });
    await page.getByRole("textbox", { name: "Reply to send" }).fill("Thursday at four.");
    await page.getByRole("button", { name: "Approve" }).click();
    await page.locator("[data-who=ai]", { hasText: "Thursday at four." }).waitFor();
    await page.evaluate(
      (sid) => window.phonyMock.add(sid, "pending_response", { text: "No." }),
      sidOf(2),
    );
    await page.getByRole("textbox", { name: /Reason/ }).fill("Too curt.");
    await page.getByRole("button", { name: "Reject" }).click();
    await page.locator("[data-chip=response_rejected]", { hasText: "Too curt." }).waitFor();
    return page;
  },

  async "a call can be led by keyboard alone"() {
    const page = await site.open("/", { ready: "a[data-row='4']" });
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.locator("[data-chip=query]").waitFor();
    await page.keyboard.press("a");
    await page.keyboard.type("Yes.");
    await page.keyboard.press("Enter");
    await page.locator("[data-chip=query_response]", { hasText: "Yes." }).waitFor();
    await page.locator("body").click({ position: { x: 2, y: 2 } });
    await page.keyboard.press("d");
    await page.keyboard.type("7");
    await page.locator("[data-chip=command_executed]", { hasText: "Press7" }).waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.keyboard.press("e");
    await page.keyboard.press("Enter");
    await page.locator("[data-chip=session_end]").waitFor();
    return page;
  },

  async "a lost server is said plainly, and nothing is lost or doubled after it"() {
    const page = await site.open(call(4), { ready: "[data-who=ai]" });
    await page.evaluate(() => window.phonyMock.pullPlug(true));
    await page.getByText("The connection to the server was lost").waitFor();
    await page.evaluate((sid) => {
      window.phonyMock.add(sid, "transcript", {
        speaker: "caller",
        text: "Meanwhile.",
        final: true,
      });
      window.phonyMock.pullPlug(false);
    }, sidOf(4));
    await page.locator("[data-who=caller]", { hasText: "Meanwhile." }).waitFor();
    await page.getByText("The connection to the server was lost").waitFor({ state: "detached" });
    const lines = await page.locator("[data-who]").allTextContents();
    assert.equal(lines.filter((line) => line.includes("Meanwhile.")).length, 1);
    assert.equal(lines.filter((line) => line.includes("opening hours")).length, 1);
    return page;
  },

  async "hostile text is shown as text"() {
    const page = await site.open(call(6), { ready: "[data-who]" });
    const hostile =
      "<script>document.title='gone'</script><img src=x onerror=\"document.title='gone'\">";
    await page.evaluate(
      ([sid, text]) => {
        const say = (words) =>
          window.phonyMock.add(sid, "transcript", { speaker: "caller", text: words, final: true });
        say(text);
        say(`\u202Ereversed \u2067 marks`);
      },
      [sidOf(6), hostile],
    );
    await page.locator("[data-who=caller]", { hasText: hostile }).waitFor();
    await page.evaluate((sid) => {
      const text = "W".repeat(10_000);
      window.phonyMock.add(sid, "transcript", { speaker: "caller", text, final: true });
    }, sidOf(6));
    await page.locator("[data-who=caller]", { hasText: "WWWW" }).waitFor();
    assert.match(await page.title(), /Phony/);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert(wide <= 0, `the page is ${wide} px too wide`);
    return page;
  },

  async "a reader who scrolled away is not moved"() {
    const page = await site.open(`${call(8)}?long=300`, { ready: "[data-who]" });
    const log = page.getByRole("log");
    await page.locator("[data-who]", { hasText: "(300)" }).waitFor();
    await log.evaluate((box) => box.scrollTo(0, 400));
    await page.getByRole("button", { name: "Go to the newest line" }).waitFor();
    const before = await log.evaluate((box) => box.scrollTop);
    await page.evaluate((sid) => {
      for (const text of ["a", "b", "c"])
        window.phonyMock.add(sid, "transcript", { text, final: true });
    }, sidOf(8));
    await page.getByRole("button", { name: "3 new lines" }).waitFor();
    assert(Math.abs((await log.evaluate((box) => box.scrollTop)) - before) < 40);
    await page.getByRole("button", { name: "3 new lines" }).click();
    await page.locator("[data-who]", { hasText: "(300)" }).waitFor();
    return page;
  },

  async "a call that begins to wait is heard, and notified of while the supervisor looks elsewhere"() {
    const context = await site.browser.newContext({ viewport: DESK });
    await context.grantPermissions(["notifications"], { origin: site.origin });
    await context.addInitScript(alertsAreRecorded);
    const page = await context.newPage();
    watched(page);
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
  },

  async "where the browser forbids notifications, that is said, and the sound remains"() {
    const context = await site.browser.newContext({ viewport: DESK });
    await context.addInitScript(alertsAreRecorded);
    await context.addInitScript(() => {
      Object.defineProperty(Notification, "permission", { get: () => "denied" });
    });
    const page = await context.newPage();
    watched(page);
    await page.goto(`${site.origin}/dashboard/`);
    await page.locator("a[data-row='4']").waitFor();
    await page.getByRole("button", { name: "Alert me when a call waits" }).click();
    await page.getByText("The browser does not let this page notify you.").waitFor();
    await page.evaluate(() => window.look(false));
    await page.evaluate((sid) => window.phonyMock.add(sid, "query", { prompt: "Hm?" }), sidOf(5));
    await page.waitForFunction(() => window.tones === 4);
    assert.deepEqual(await page.evaluate(() => window.notices), []);
    await context.close();
  },

  async "a search leads to the turn that matched"() {
    const page = await site.open("/history", { ready: "main li" });
    await page.getByRole("searchbox", { name: "Search calls" }).fill("left the warehouse");
    await page.getByRole("listitem").filter({ hasText: "I found it." }).getByRole("link").click();
    await page.locator("[data-who=ai]", { hasText: "I found it." }).waitFor();
    assert.match(page.url(), /calls\/CA7+#\d+$/);
    return page;
  },

  async "a call is placed only with consent, and a refusal is explained"() {
    const page = await site.open("/new", { ready: "form" });
    const place = page.getByRole("button", { name: "Place call" });
    await page.getByRole("textbox", { name: "Number to call" }).fill("+1415555911");
    assert(await place.isDisabled());
    await page.getByRole("checkbox").check();
    await place.click();
    await page.getByText("This is an emergency number.").waitFor();
    await page.getByRole("textbox", { name: "Number to call" }).fill("+14155550123");
    await place.click();
    await page.getByRole("region", { name: "Transcript" }).waitFor();
    return page;
  },

  async "an older server without the newer routes is told from a broken one"() {
    const page = await site.open("/agents?older", { ready: "text=Not available on this server" });
    await page.getByRole("link", { name: "Wallboard" }).click();
    await page.locator("a[data-row='0']").waitFor();
    return page;
  },

  async "axe finds nothing serious, in light and dark, on a desk and a phone"() {
    const found = [];
    for (const path of ["/", call(1), call(2), call(7), ...PAGES]) {
      const page = await site.open(path, { ready: "main a, main button, form" });
      await page.locator("[role=progressbar]").first().waitFor({ state: "detached" });
      await page.evaluate(axe);
      for (const [colorScheme, size] of [
        ["light", DESK],
        ["dark", DESK],
        ["light", PHONE],
      ]) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await page.setViewportSize(size);
        const { violations } = await page.evaluate(() =>
          window.axe.run(document, { resultTypes: ["violations"] }),
        );
        for (const { id, impact, nodes } of violations) {
          if (impact !== "serious" && impact !== "critical") continue;
          const where = nodes.map((node) => node.html.slice(0, 160)).join(" | ");
          found.push(`${path} ${colorScheme} ${size.width}: ${id}: ${where}`);
        }
      }
      await page.close();
    }
    assert.deepEqual(found, []);
  },

  async "two hundred calls that stream words are smooth from the first moment"() {
    report.wallboard = await cold("/?quiet&load=200", async (page) => {
      await page.locator("a[data-row='9']").waitFor();
      await page.locator("[data-count='200']").waitFor();
      await run(page, 4_000);
    });
  },

  async "two hundred calls that come one after the other are, too"() {
    report.ramp = await cold("/?quiet&load=200&ramp=5", async (page) => {
      await page.locator("[data-count='200']").waitFor();
      await run(page, 2_000);
    });
  },

  async "so is a wall of four thousand pixels"() {
    report.wall = await cold(
      "/?quiet&load=200&ramp=2",
      async (page) => {
        await page.locator("[data-count='200']").waitFor();
        await run(page, 3_000);
      },
      { viewport: { width: 3840, height: 2160 } },
    );
  },

  async "a transcript of two thousand turns is smooth while it comes and while it is read"() {
    report.transcript = await cold(`${call(8)}?quiet&long=2000`, async (page) => {
      await page.locator("[data-who]", { hasText: "(2000)" }).waitFor();
      await page.evaluate(() => {
        const box = document.querySelector("[role=log]");
        let step = 0;
        return new Promise((done) => {
          const timer = setInterval(() => {
            box.scrollTop -= 400;
            if (++step < 100) return;
            clearInterval(timer);
            done();
          }, 25);
        });
      });
      const drawn = await page.locator("[data-who]").count();
      assert(drawn < 80, `${drawn} lines are drawn`);
      assert.equal(await page.locator("[data-who]", { hasText: "(2000)" }).count(), 0);
      await run(page, 500);
    });
  },
};

const report = {};
const watched = (page) => reportProblems(page, "alerts", site.problems);

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
const sidOf = (digit) => `CA${String(digit).repeat(32)}`;

/** Opens a page in a browser that has never seen it, and holds it to being smooth. */
async function cold(path, work, { viewport = DESK } = {}) {
  const context = await site.browser.newContext({ viewport });
  const figures = await smooth(context, `${site.origin}/dashboard${path}`, work);
  await context.close();
  return figures;
}

const site = await start();
let failed = 0;
try {
  failed = await runChecks(checks, process.argv[2]);
} finally {
  await site.stop();
}
const expected = (problem) => / 40[14] |status of 40/.test(problem);
const surprises = site.problems.filter((problem) => !expected(problem));
for (const problem of surprises) console.log(`page error  ${problem}`);
console.log("long tasks:", JSON.stringify(report));
process.exitCode = failed + surprises.length > 0 ? 1 : 0;
