// Who gets in, what is answered, and what every control on a call does.
import assert from "node:assert/strict";
import { call, sidOf, test } from "./fixtures.mjs";

test("a wrong token is refused, the right one opens the page", async ({ site }) => {
  const page = await site.open("/?login", { ready: "form" });
  await page.getByLabel("Access token").fill("wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("This token is not right").waitFor();
  await page.getByLabel("Access token").fill("letmein");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("region", { name: "Live calls" }).waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Access token").waitFor();
});

test("a question is answered from the wallboard", async ({ site }) => {
  const page = await site.open("/", { ready: "a[data-row='4']" });
  const needs = page.getByRole("region", { name: "Needs a human" });
  await needs.getByRole("textbox", { name: "Answer for AI" }).fill("Yes, waive it.");
  await needs.getByRole("button", { name: "Answer", exact: true }).click();
  await needs.getByRole("textbox", { name: "Answer for AI" }).waitFor({ state: "detached" });
  await needs.getByRole("button", { name: "Approve" }).click();
  await needs.getByText("Nobody is waiting for you.").waitFor();
});

test("every control on a call does what it says", async ({ site }) => {
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
});

test("a held reply is edited and sent, another rejected with a reason", async ({ site }) => {
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
});

test("a call is placed only with consent, and a refusal is explained", async ({ site }) => {
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
});

test("an older server without the newer routes is told from a broken one", async ({ site }) => {
  const page = await site.open("/agents?older", { ready: "text=Not available on this server" });
  await page.getByRole("link", { name: "Wallboard" }).click();
  await page.locator("a[data-row='0']").waitFor();
});
