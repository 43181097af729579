// Calls that were.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { eventually } from "../support/test-server.mjs";
import { button, test, transcript } from "./fixtures.mjs";

/** Calls to search in: one in which a name is told, and another. */
async function callsWithAda(phony) {
  for (const words of ["Hello, my name is Ada.", "Where are you?"]) {
    const call = await phony.ring([words]);
    const told = async () => JSON.stringify(await phony.ask(`/calls/${call.sid}/transcript`));
    await eventually(async () => (await told()).includes(words), "the caller's words");
    call.hangUp();
  }
}

test("what the history shows is taken away as a file", async ({ phony, supervisor }) => {
  await callsWithAda(phony);
  const page = await supervisor.open("/history?q=my+name+is+Ada");
  const found = page.getByRole("listitem");
  await found.filter({ hasText: "my name is Ada" }).first().waitFor();
  const calls = await found.count();
  const all = await phony.ask("/calls?limit=200");
  assert(calls < all.calls.length, "the search leaves some calls out");
  const take = async (form) => {
    await button(page, "Export").click();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("menuitem", { name: form }).click(),
    ]);
    assert.match(download.suggestedFilename(), /^phony-calls-\d{4}-\d\d-\d\d\.(csv|jsonl|txt)$/);
    return readFileSync(await download.path(), "utf8");
  };
  const csv = (await take("CSV")).trimEnd().split("\r\n");
  assert.match(csv[0], /^callSid,startedAt,/);
  assert.equal(csv.length, calls + 1);
  const lines = (await take("JSON Lines"))
    .trimEnd()
    .split("\n")
    .map((each) => JSON.parse(each));
  assert.deepEqual(
    lines.map((each) => each.callSid),
    csv.slice(1).map((each) => each.split(",")[0]),
  );
  for (const each of lines) assert.match(JSON.stringify(each.events), /my name is Ada/i);
  assert.match(await take("Text"), /my name is Ada/i);
  // The address keeps the search: a call, and back.
  await found.getByRole("link").first().click();
  await transcript(page).waitFor();
  await page.goBack();
  assert.equal(await page.getByRole("searchbox").inputValue(), "my name is Ada");
  await found.filter({ hasText: "my name is Ada" }).first().waitFor();
});

test("a search leads to the turn that matched", async ({ phony, supervisor }) => {
  await callsWithAda(phony);
  const page = await supervisor.open("/history");
  await page.getByRole("searchbox", { name: "Search calls" }).fill("my name is Ada");
  await page
    .getByRole("listitem")
    .filter({ hasText: "my name is Ada" })
    .first()
    .getByRole("link")
    .click();
  await page.locator("[data-found=true]", { hasText: "my name is Ada" }).waitFor();
});
