// A server that is killed under an open page, and started again.
import assert from "node:assert/strict";
import { button, chip, endCall, entry, heard, send, test, transcript } from "./fixtures.mjs";

test("a call goes on after its server was started again: one call, nothing lost or doubled", async ({
  phony,
  supervisor,
}) => {
  const call = await phony.ring(["I want a refund."], undefined, { retrying: true });
  const page = await supervisor.open(`/calls/${call.sid}`);
  const board = await supervisor.open("/");
  const needs = page.getByRole("region", { name: "Needs a human", exact: true });
  await needs.getByText("I want a refund").waitFor();
  await phony.kill();
  await page.getByText("The connection to the server was lost").waitFor();
  await phony.serve();
  await chip(page, "resumed").waitFor();
  await page.getByText("The connection to the server was lost").waitFor({ state: "detached" });
  // The question has outlived the server, and is answered on the same page.
  await send(needs, "Answer for AI", "Forty dollars are on their way.", "Answer");
  await entry(page, "ai", "My colleague says: Forty dollars are on their way.").waitFor();
  assert.equal(await chip(page, "resumed").count(), 1);
  assert.equal(await chip(page, "session_start").count(), 1);
  assert.equal(await chip(page, "query").count(), 1);
  assert.equal(await entry(page, "caller", "I want a refund.").count(), 1);
  assert.equal(await entry(page, "ai", "greeting").count(), 1);
  const live = board.getByRole("region", { name: "Live calls", exact: true });
  await live.locator(`a[href$="${call.sid}"]`).waitFor();
  assert.equal(await live.locator(`a[href$="${call.sid}"]`).count(), 1);
  // Whoever comes later sees the same.
  const late = await supervisor.open(`/calls/${call.sid}`);
  await entry(late, "ai", "My colleague says").waitFor();
  const shown = async (of) =>
    of.locator("[data-who]:not([data-faint=true]), [data-chip]").allInnerTexts();
  assert.deepEqual(await shown(transcript(late)), await shown(transcript(page)));
  await endCall(page);
  const words = heard(await call.record());
  assert.equal(words.split("My colleague says").length - 1, 1);
  await board.close();
  await late.close();
});

test("a server that dies under an open page is said to be gone, and found again", async ({
  phony,
  supervisor,
}) => {
  const call = await phony.ring(["Where are you?"]);
  const page = await supervisor.open(`/calls/${call.sid}`);
  const board = await supervisor.open("/");
  const softphone = await supervisor.open("/softphone");
  await button(softphone, "Start call").click();
  await entry(softphone, "ai", "Hello").waitFor();
  await entry(page, "ai", "12 Harbour Street").waitFor();
  await phony.kill();
  call.hangUp();
  await page.getByText("The connection to the server was lost").waitFor();
  await phony.serve();
  await page.getByText("The connection to the server was lost").waitFor({ state: "detached" });
  assert.equal(await entry(page, "ai", "12 Harbour Street").count(), 1);
  await chip(softphone, "resumed").waitFor();
  await send(softphone, "Your words", "Where are you?", "Speak");
  await entry(softphone, "ai", "12 Harbour Street").waitFor();
  assert.equal(await entry(softphone, "ai", "Hello, you are").count(), 1);
  await button(softphone, "Hang up").click();
  await softphone.close();
  const next = await phony.ring(["What about prices?"]);
  await board.goto(`${phony.origin}/dashboard/calls/${next.sid}`);
  await entry(board, "caller", "What about prices?").waitFor();
  assert.equal(await entry(board, "caller", "What about prices?").count(), 1);
  next.hangUp();
  await board.close();
});
