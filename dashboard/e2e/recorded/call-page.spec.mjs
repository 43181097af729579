// What a call’s page shows, come what may.
import assert from "node:assert/strict";
import { readBack } from "../support/in-page.mjs";
import { call, DESK, sidOf, test } from "./fixtures.mjs";

test("an ended call is its record: what came of it, how fast, what it cost, to take away and share", async ({
  site,
}) => {
  const context = await site.browser.newContext({ viewport: DESK });
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: site.origin });
  const page = await context.newPage();
  site.watch(page);
  await page.goto(`${site.origin}/dashboard${call(7)}`);
  await page.getByRole("heading", { name: "Record" }).waitFor();
  await page.getByText("The AI asked a human 1 time; 1 answered.").waitFor();
  await page
    .getByRole("img", { name: /Latency of 5 turns, by stage: p50 645 ms, p95 1.7 s/ })
    .waitFor();
  for (const [name, value] of [
    ["Length", "0:48"],
    ["Cost", "$0.0165"],
    ["output text", "214"],
  ]) {
    const figure = page.locator("dl > div").filter({ has: page.getByText(name, { exact: true }) });
    assert.equal(await figure.locator("dd").innerText(), value);
  }
  for (const format of ["txt", "json"]) {
    await page.locator(`a[download][href$="/transcript?format=${format}"]`).waitFor();
  }
  // In its lines: how fast, cut off where, and by whom and when things were done.
  const cut = page.locator("[data-who=ai]", { hasText: "interrupted" });
  await cut.scrollIntoViewIfNeeded();
  assert.match(await cut.locator("del").innerText(), /\w+ \w+/);
  assert.match(await page.locator("[data-who=ai]").last().innerText(), /answered in 645 ms/);
  const answered = page.locator("[data-chip=query_response]");
  assert.match(await answered.innerText(), /maria · \d\d:\d\d:\d\d/);
  await page.getByRole("button", { name: "Copy link" }).click();
  await page.getByText("Link copied.").waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(link, `${site.origin}/dashboard${call(7)}`);
  await context.close();
});

test("a lost server is said plainly, and nothing is lost or doubled after it", async ({ site }) => {
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
});

test("a translation extension does not take the page down", async ({ site }) => {
  const page = await site.open(call(4), { ready: "[data-who=ai]" });
  assert.equal(await page.locator("html").getAttribute("translate"), "no");
  // As such extensions do: every text gives way to an element with another.
  const translate = () =>
    page.evaluate(() => {
      const texts = [];
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) texts.push(walker.currentNode);
      for (const text of texts) {
        const font = document.createElement("font");
        font.textContent = text.data.toUpperCase();
        text.replaceWith(font);
      }
    });
  await translate();
  await page.evaluate((sid) => {
    for (const text of ["One more.", "And another."]) {
      window.phonyMock.add(sid, "transcript", { speaker: "caller", text, final: true });
    }
  }, sidOf(4));
  await page.locator("[data-who=caller]", { hasText: "And another." }).waitFor();
  // What React does to a text of its own that has gone.
  const removed = await page.evaluate(() => {
    const parent = document.querySelector("[data-who=caller]");
    const text = document.createTextNode("gone");
    parent.append(text);
    text.replaceWith(document.createElement("font"));
    parent.insertBefore(document.createElement("hr"), text);
    return parent.removeChild(text) === text && parent.lastChild.nodeName === "HR";
  });
  assert(removed);
});

test("hostile text is shown as text", async ({ site }) => {
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
});

test("a reader who scrolled away is not moved", async ({ site }) => {
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
});

test("of a transcript of two thousand turns only what is seen is drawn", async ({ site }) => {
  const context = await site.browser.newContext({ viewport: DESK });
  const page = await context.newPage();
  site.watch(page);
  await page.goto(`${site.origin}/dashboard${call(8)}?quiet&long=2000`);
  await page.locator("[data-who]", { hasText: "(2000)" }).waitFor();
  await page.evaluate(readBack);
  const drawn = await page.locator("[data-who]").count();
  assert(drawn < 80, `${drawn} lines are drawn`);
  assert.equal(await page.locator("[data-who]", { hasText: "(2000)" }).count(), 0);
  await context.close();
});
