// Everything by keyboard.
import { call, sidOf, test } from "./fixtures.mjs";

test("a call can be led by keyboard alone", async ({ site }) => {
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
});

test("every key does what the help says", async ({ site }) => {
  const page = await site.open(call(6), { ready: "[data-who]" });
  const transcript = page.getByRole("region", { name: "Transcript" });
  const key = (name) => page.keyboard.press(name);
  const typed = async (text) => {
    await page.keyboard.type(text);
    await key("Enter");
    await key("Escape");
  };
  await page.getByRole("button", { name: "Digit 1", exact: true }).waitFor();
  await key("s");
  await typed("One moment.");
  await transcript.locator("[data-who=supervisor]", { hasText: "One moment." }).waitFor();
  await key("w");
  await typed("Be brief.");
  await transcript.locator("[data-chip=whisper]", { hasText: "Be brief." }).waitFor();
  await key("o");
  await transcript.locator("[data-chip=takeover]").waitFor();
  await page.getByRole("button", { name: "Release" }).waitFor();
  await key("o");
  await transcript.locator("[data-chip=release]").waitFor();
  await page.evaluate(
    (sid) => window.phonyMock.add(sid, "pending_response", { text: "No." }),
    sidOf(6),
  );
  await page.getByRole("textbox", { name: "Reply to send" }).waitFor();
  await key("x");
  await typed("Too curt.");
  await transcript.locator("[data-chip=response_rejected]", { hasText: "Too curt." }).waitFor();
  await key("t");
  await page.keyboard.type("+14155550171");
  await key("Enter");
  await page.getByRole("dialog").waitFor();
  await key("Enter");
  await transcript.locator("[data-chip=session_transfer]").waitFor();
  // The other pages, each by its letter. Their contents are waited for: some take the focus.
  for (const [letter, title, content] of [
    ["h", "History", "input[type=search]:focus"],
    ["n", "New call", "input[type=tel]:focus"],
    ["p", "Softphone", "main form"],
    ["a", "Agents", "main h3"],
    ["s", "Health", "[data-node]"],
    ["w", "Wallboard", "a[data-row='0']"],
  ]) {
    await page.evaluate(() => document.activeElement.blur());
    await key("g");
    await key(letter);
    await page.getByRole("heading", { level: 1, name: title }).waitFor();
    await page.locator(content).first().waitFor();
  }
  await key("/");
  await page.waitForFunction(() => document.activeElement.type === "search");
});
