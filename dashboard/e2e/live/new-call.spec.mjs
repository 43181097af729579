// Who answers, and calls of ours.
import assert from "node:assert/strict";
import { button, chip, endCall, entry, field, test, transcript } from "./fixtures.mjs";

test("another agent answers by default, and is tried from its card", async ({
  phony,
  supervisor,
}) => {
  const page = await supervisor.open("/agents");
  const card = page.getByRole("region", { name: "Information Hotline" });
  await card.getByRole("button", { name: "Make default" }).click();
  await card.getByText("answers by default").waitFor();
  const call = await phony.ring(["Hello."]);
  const board = await supervisor.open(`/calls/${call.sid}`);
  await chip(board, "session_start", "hotline").waitFor();
  call.hangUp();
  await board.close();
  await card.getByRole("link", { name: "Try it" }).click();
  await page.getByRole("combobox", { name: "Agent" }).getByText("Information Hotline").waitFor();
  await page.goBack();
  const usual = page.getByRole("region", { name: "Professional Assistant" });
  await usual.getByRole("button", { name: "Make default" }).click();
  await usual.getByText("answers by default").waitFor();
});

test("a call is placed with its scenario filled in, and what is forbidden is explained", async ({
  supervisor,
}) => {
  const page = await supervisor.open("/new");
  const place = button(page, "Place call");
  await field(page, "Number to call").fill("911");
  await page.getByRole("combobox", { name: "Scenario" }).click();
  await page.getByRole("option", { name: "Friendly Check-in" }).click();
  await field(page, "Name").fill("Ada");
  await page.getByText(/Hello Ada, this is an automated assistant/).waitFor();
  assert(await place.isDisabled());
  await page.getByRole("checkbox").check();
  await place.click();
  await page.getByText("Refused by a safety rule").waitFor();
  await field(page, "Number to call").fill("(415) 555-2671");
  await place.click();
  await transcript(page).waitFor();
  await entry(page, "ai", "Hello Ada, this is an automated assistant").waitFor();
  await entry(page, "caller", "Where are you?").waitFor();
  await chip(page, "session_start").waitFor();
  await endCall(page);
  await chip(page, "session_end").waitFor();
});

test("who places a call chooses whether to look out for an answering machine", async ({
  phony,
  supervisor,
}) => {
  const page = await supervisor.open("/new");
  const place = async (machine) => {
    await page.goto(`${phony.origin}/dashboard/new`);
    await field(page, "Number to call").fill("(415) 555-2671");
    await page.getByRole("combobox", { name: "Answering machine" }).click();
    await page.getByRole("option", { name: machine, exact: true }).click();
    await page.getByRole("checkbox").check();
    await button(page, "Place call").click();
    await entry(page, "caller", "Where are you?").waitFor();
    await entry(page, "ai", "Where can I find you").waitFor();
  };
  await place("Do not find out");
  assert.equal(await chip(page, "answered_by").count(), 0);
  await endCall(page);
  await chip(page, "session_end").waitFor();
  await place("Find out whether a machine answers");
  await chip(page, "answered_by", "human").waitFor();
  await endCall(page);
  await chip(page, "session_end").waitFor();
});
