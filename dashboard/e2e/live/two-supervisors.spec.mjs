// Two supervisors on one call.
import assert from "node:assert/strict";
import { pressAt } from "../support/in-page.mjs";
import { CAREFUL_NUMBER } from "../support/test-server.mjs";
import { button, chip, endCall, entry, field, heard, send, test } from "./fixtures.mjs";

test("two supervisors see at once what the other does, and the first answer counts", async ({
  phony,
  supervisor,
  somebody,
}) => {
  const call = await phony.ring(["I want a discount."]);
  const other = await somebody();
  const mine = await supervisor.open(`/calls/${call.sid}`);
  const theirs = await other.open(`/calls/${call.sid}`);
  await field(theirs, "Answer for AI").waitFor();
  await send(mine, "Answer for AI", "Ten percent.", "Answer");
  await chip(theirs, "query_response", "Ten percent.").waitFor();
  await field(theirs, "Answer for AI").waitFor({ state: "detached" });
  await send(theirs, "Say to caller", "From the other desk.", "Say");
  await entry(mine, "supervisor", "From the other desk.").waitFor();
  await button(mine, "Take over").click();
  await button(theirs, "Release").click();
  await button(mine, "Take over").waitFor();
  call.hangUp();
  await other.close();
});

test("of two supervisors who press at the same moment one is heard, the other told who was faster", async ({
  phony,
  supervisor,
  somebody,
}) => {
  const call = await phony.ring(["I want a discount."]);
  const other = await somebody();
  const pages = [
    await supervisor.open(`/calls/${call.sid}`),
    await other.open(`/calls/${call.sid}`),
  ];
  const answers = ["Ten percent.", "Nothing at all."];
  for (const [at, page] of pages.entries()) await field(page, "Answer for AI").fill(answers[at]);
  const when = Date.now() + 500;
  await Promise.all(pages.map((page) => page.evaluate(pressAt, ["Answer", when])));
  const told = await Promise.race(
    pages.map(async (page, at) => {
      await page.getByText("another supervisor was faster").waitFor();
      return at;
    }),
  );
  const winner = answers[1 - told];
  await pages[told].getByText(`they answered: “${winner}”`).waitFor();
  for (const page of pages) {
    await chip(page, "query_response", winner).waitFor();
    assert.equal(await chip(page, "query_response").count(), 1);
  }
  assert.equal(await pages[1 - told].getByText("another supervisor was faster").count(), 0);
  await entry(pages[0], "ai", `My colleague says: ${winner}`).waitFor();
  await endCall(pages[0]);
  const words = heard(await call.record());
  assert.equal(words.split("My colleague says").length - 1, 1);
  assert(!words.includes(answers[told]));
  await other.close();
});

test("a decision that comes too late is refused, nothing is spoken twice, and the page says why", async ({
  phony,
  supervisor,
  somebody,
}) => {
  const call = await phony.ring(["Where are you?"], CAREFUL_NUMBER);
  const other = await somebody();
  const mine = await supervisor.open(`/calls/${call.sid}`);
  const theirs = await other.open(`/calls/${call.sid}`);
  await field(theirs, "Reply to send").fill("We are at 99 Late Street.");
  await field(mine, "Reply to send").fill("We are at 14 Harbour Street.");
  // Theirs is pressed first, and is held up on its way.
  let letGo;
  const held = new Promise((done) => {
    letGo = done;
  });
  const statuses = [];
  await theirs.route("**/override/text", async (route) => {
    await held;
    const answer = await route.fetch();
    statuses.push(answer.status());
    await route.fulfill({ response: answer });
  });
  await button(theirs, "Approve").click();
  await button(mine, "Approve").click();
  await chip(theirs, "response_approved", "14 Harbour Street").waitFor();
  letGo();
  await theirs
    .getByText("another supervisor was faster: at")
    .filter({ hasText: "they sent: “We are at 14 Harbour Street.”" })
    .waitFor();
  assert.deepEqual(statuses, [409]);
  await entry(mine, "ai", "We are at 14 Harbour Street.").waitFor();
  await endCall(mine);
  const words = heard(await call.record());
  assert.equal(words.split("14 Harbour Street").length - 1, 1);
  assert.doesNotMatch(words, /Late Street/);
  await other.close();
});
