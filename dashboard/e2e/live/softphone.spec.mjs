// The page as a telephone.
import assert from "node:assert/strict";
import { fakeSpeech } from "../support/in-page.mjs";
import { button, chip, entry, field, send, test, transcript } from "./fixtures.mjs";

test("the softphone listens and speaks with the browser's own speech recognition and synthesis", async ({
  supervisor,
  somebody,
}) => {
  const caller = await somebody();
  await caller.context.addInitScript(fakeSpeech);
  const page = await caller.open("/softphone");
  await page.getByRole("combobox", { name: "The AI’s voice" }).click();
  await page.getByRole("option", { name: "A voice of the test" }).click();
  await button(page, "Start call").click();
  await entry(page, "ai", "Hello").waitFor();
  assert.match(await page.evaluate(() => window.spoken.join(" ")), /automated assistant/);
  const sid = /CA\w+/.exec(
    await page.getByRole("link", { name: "Supervise" }).getAttribute("href"),
  );
  const watcher = await supervisor.open(`/calls/${sid}`);
  // Words that are not final are told to those alone who look at that moment.
  await entry(watcher, "ai", "Hello").waitFor();

  // What is recognised is sent as it grows, and once it is final.
  await button(page, "Use the microphone").click();
  await page.waitForFunction(() => window.recognitions.length === 1 && window.recognitions[0].on);
  const hear = (text, final) =>
    page.evaluate(([words, last]) => window.recognitions.at(-1).hear(words, last), [text, final]);
  await hear("Where are", false);
  await transcript(watcher)
    .locator("[data-who=caller][data-faint=true]", { hasText: "Where are" })
    .waitFor();
  await page.evaluate(() => window.stopSpeakingAt("Harbour"));
  await hear("Where are you?", true);
  await entry(watcher, "caller", "Where are you?").waitFor();

  // Talking over the voice cuts it off where it is, and the rest is struck through.
  await page.waitForFunction(() => window.speakingAt === "Harbour");
  const cancelled = await page.evaluate(() => window.cancelled);
  await hear("Sorry", false);
  await page.waitForFunction((before) => window.cancelled > before, cancelled);
  await hear("Sorry, my name is Ada.", true);
  const cut = entry(watcher, "ai", "interrupted");
  await cut.waitFor();
  assert.match(await cut.locator("del").innerText(), /Harbour/);
  await entry(watcher, "caller", "Sorry, my name is Ada.").waitFor();
  await entry(watcher, "ai", "I have noted your name").waitFor();
  assert.match(await page.evaluate(() => window.spoken.join(" ")), /I have noted your name/);

  // Browsers stop listening after a silence: it is begun again. What is refused is said.
  await page.evaluate(() => window.recognitions[0].onend());
  assert.equal(await page.evaluate(() => window.recognitions[0].started), 2);
  await page.evaluate(() => window.recognitions[0].onerror({ error: "not-allowed" }));
  await page.getByText("The browser does not let this page listen.").waitFor();
  await button(page, "Use the microphone").waitFor();
  await button(page, "Hang up").click();
  await chip(watcher, "session_end").waitFor();
  await caller.close();
});

test("the softphone is a call like any other", async ({ supervisor }) => {
  const page = await supervisor.open("/softphone");
  await page.getByRole("combobox", { name: "Agent" }).click();
  await page.getByRole("option", { name: "Customer Service Rep" }).click();
  await button(page, "Start call").click();
  await entry(page, "ai", "automated customer service").waitFor();
  const watcher = await supervisor.open("/");
  const row = watcher.getByRole("region", { name: "Live calls", exact: true });
  await row.getByRole("link").filter({ hasText: "support" }).click();
  await send(page, "Your words", "I lost my debit card.", "Speak");
  await entry(watcher, "caller", "I lost my debit card.").waitFor();
  await field(page, "Your words").fill("Stop, my name is Ada.");
  // The word has sounded: it is no longer among those that are still to come.
  const toCome = page.locator("span span", { hasText: "sorry" });
  await page.locator("[data-caption]", { hasText: "sorry", hasNot: toCome }).waitFor();
  await field(page, "Your words").press("Enter");
  await entry(watcher, "ai", "interrupted").waitFor();
  await entry(watcher, "ai", "I have noted your name").waitFor();
  await send(watcher, "Say to caller", "A person steps in.", "Say");
  await page.locator("[data-caption]", { hasText: "A person steps in." }).waitFor();
  await page.getByRole("button", { name: "Press 5" }).click();
  await chip(watcher, "dtmf", "5").waitFor();
  await button(page, "Hang up").click();
  await page.getByText("The call is over").waitFor();
  await chip(watcher, "session_end").waitFor();
  await watcher.close();
});

test("hostile text is shown as text", async ({ supervisor }) => {
  const page = await supervisor.open("/softphone");
  await button(page, "Start call").click();
  await entry(page, "ai", "Hello").waitFor();
  const hostile =
    "<script>document.title='gone'</script><img src=x onerror=\"document.title='gone'\">";
  await send(page, "Your words", hostile, "Speak");
  await entry(page, "caller", hostile).waitFor();
  await send(page, "Your words", "\u202Ereversed \u2067marks", "Speak");
  await entry(page, "caller", "reversed").waitFor();
  await send(page, "Your words", "W".repeat(10_000), "Speak");
  await entry(page, "caller", "WWWW").waitFor();
  assert.match(await page.title(), /Phony/);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert(wide <= 0, `the page is ${wide} px too wide`);
  await button(page, "Hang up").click();
});
