// What a supervisor does, and what the caller hears of it.
import assert from "node:assert/strict";
import { CAREFUL_NUMBER } from "../support/test-server.mjs";
import { button, chip, endCall, entry, field, heard, send, sent, test } from "./fixtures.mjs";

test("every control reaches the caller", async ({ phony, supervisor }) => {
  const call = await phony.ring(["Where are you?"]);
  const page = await supervisor.open("/");
  const live = page.getByRole("region", { name: "Live calls", exact: true });
  await live.locator(`a[href$="${call.sid}"]`).click();
  await entry(page, "caller", "Where are you?").waitFor();
  for (const digit of "0123456789*#") {
    await button(page, `Digit ${digit}`).click();
    await chip(page, "command_executed", `Press${digit}`).last().waitFor();
  }
  await send(page, "Say to caller", "One moment please, this is a person.", "Say");
  await entry(page, "supervisor", "this is a person").waitFor();
  await send(page, "Whisper to AI", "Offer the caller a coffee.", "Whisper");
  await chip(page, "whisper", "Offer the caller a coffee.").waitFor();
  await button(page, "Take over").click();
  await chip(page, "takeover").waitFor();
  await send(page, "Say to caller", "I have taken over.", "Say");
  await entry(page, "supervisor", "I have taken over.").waitFor();
  await button(page, "Release").click();
  await chip(page, "release").waitFor();
  await button(page, "Take over").waitFor();
  await button(page, "End call").click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await endCall(page);
  await chip(page, "session_end").waitFor();
  await page.getByRole("heading", { name: "Record" }).waitFor();
  const record = await call.record();
  assert.equal(record.end, "twiml_ended");
  const frames = sent(record);
  const digits = frames.filter(({ type }) => type === "sendDigits");
  assert.equal(digits.map((frame) => frame.digits).join(""), "0123456789*#");
  const words = frames.map((frame) => frame.token ?? "").join("");
  assert.match(words, /One moment please, this is a person\./);
  assert.match(words, /I have taken over\./);
  assert.doesNotMatch(words, /coffee/);
  for (const format of ["Text", "JSON"]) {
    const link = page.getByRole("link", { name: format, exact: true });
    const exported = await supervisor.context.request.get(
      `${phony.origin}${await link.getAttribute("href")}`,
    );
    assert.match(await exported.text(), /Where are you/);
  }
});

test("a transfer is checked while it is typed, confirmed, and dialled", async ({
  phony,
  supervisor,
}) => {
  const call = await phony.ring(["Hello."]);
  const page = await supervisor.open(`/calls/${call.sid}`);
  await entry(page, "caller", "Hello.").waitFor();
  await field(page, "Transfer to").fill("4155550171");
  await page.getByText("Begin with + and the country code.").waitFor();
  assert(await button(page, "Transfer").isDisabled());
  await field(page, "Transfer to").fill("+1 415 555 0171");
  await button(page, "Transfer").click();
  await page.getByRole("dialog").getByRole("button", { name: "Transfer" }).click();
  await chip(page, "session_transfer").waitFor();
  const record = await call.record();
  assert.equal(record.dialled[0].to, "+14155550171");
});

test("a question is answered from the wallboard, and the caller hears it", async ({
  phony,
  supervisor,
}) => {
  const call = await phony.ring(["I want a refund."]);
  const page = await supervisor.open("/");
  const needs = page.getByRole("region", { name: "Needs a human", exact: true });
  await needs.getByText("I want a refund").waitFor();
  await page
    .getByText(/\d+ s left|0:\d\d left/)
    .first()
    .waitFor();
  await send(needs, "Answer for AI", "Forty dollars are on their way.", "Answer");
  await needs.getByText("Nobody is waiting for you.").waitFor();
  await page.goto(`${phony.origin}/dashboard/calls/${call.sid}`);
  await chip(page, "query_response", "Forty dollars").waitFor();
  await entry(page, "ai", "My colleague says: Forty dollars are on their way.").waitFor();
  await endCall(page);
  assert.match(heard(await call.record()), /My colleague says/);
});

test("a held reply is rejected, edited, and sent as it is", async ({ phony, supervisor }) => {
  const call = await phony.ring(["Where are you?", "And your opening hours?"], CAREFUL_NUMBER);
  const page = await supervisor.open(`/calls/${call.sid}`);
  const needs = page.getByRole("region", { name: "Needs a human", exact: true });
  await needs.getByText("12 Harbour Street").waitFor();
  await field(needs, "Reason for the AI (optional)").fill("Too curt.");
  await button(needs, "Reject").click();
  await chip(page, "response_rejected", "Too curt.").waitFor();
  await needs.getByText("Let me put it this way.").waitFor();
  await field(needs, "Reply to send").fill("We are at 14 Harbour Street.");
  await button(needs, "Approve").click();
  await entry(page, "ai", "We are at 14 Harbour Street.").waitFor();
  await needs.getByText("nine to five").waitFor();
  await button(needs, "Approve").click();
  await entry(page, "ai", "nine to five").waitFor();
  await endCall(page);
  const words = heard(await call.record());
  assert.match(words, /14 Harbour Street/);
  assert.match(words, /nine to five/);
  assert.doesNotMatch(words, /12 Harbour Street/);
});
