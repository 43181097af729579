// The page with a clock that is wrong, and with a connection that dies without a word.
import assert from "node:assert/strict";
import { setClock } from "../support/clock.mjs";
import { TOKEN } from "../support/test-server.mjs";
import { entry, test } from "./fixtures.mjs";

const SEVEN_MINUTES_MS = 420_000;

const seconds = (text) => {
  const [, minutes, rest] = /(\d+):(\d\d)/.exec(text) ?? [];
  return Number(minutes) * 60 + Number(rest);
};

test("a browser's wrong clock shows no wrong length and no wrong time left", async ({
  phony,
  somebody,
}) => {
  for (const off of [SEVEN_MINUTES_MS, -SEVEN_MINUTES_MS]) {
    const began = performance.now();
    const call = await phony.ring(["Could I get a discount?"]);
    const someone = await somebody();
    await someone.context.addInitScript(setClock, off);
    const page = await someone.open(`/calls/${call.sid}`);
    const left = page.getByRole("timer").filter({ hasText: "left" });
    await left.waitFor();
    const shown = [
      await left.innerText(),
      await page.getByRole("timer", { name: "Length" }).innerText(),
    ];
    const passed = (performance.now() - began) / 1_000 + 2;
    const [rest, length] = shown.map(seconds);
    assert(rest <= 60 && rest >= 60 - passed, `${shown}`);
    assert(length <= passed, `${shown} after ${passed} s`);
    const board = await someone.open("/");
    await board.locator(`a[href*="${call.sid}"]`).first().waitFor();
    assert.doesNotMatch(await board.locator("main").innerText(), /[678] min/);
    call.hangUp();
    await someone.close();
  }
});

test("a connection that dies without a word is said within 15 s, and nothing is missed", async ({
  phony,
  somebody,
}) => {
  const call = await phony.ring(["Where are you?"]);
  const someone = await somebody();
  let dead = false;
  const waiting = [];
  await someone.context.routeWebSocket(/\/events\/ws/, async (socket) => {
    // What does not get through opens nothing either.
    if (dead)
      await new Promise((done) => {
        waiting.push(done);
      });
    const server = socket.connectToServer();
    let passes = true;
    socket.onMessage((text) => {
      passes &&= !dead;
      if (passes) server.send(text);
    });
    server.onMessage((text) => {
      passes &&= !dead;
      if (passes) socket.send(text);
    });
  });
  const page = await someone.open(`/calls/${call.sid}`);
  await page.getByText("Live", { exact: true }).waitFor();
  await entry(page, "caller", "Where are you?").waitFor();
  dead = true;
  const said = await fetch(`${phony.origin}/override/text`, {
    method: "POST",
    headers: { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" },
    body: JSON.stringify({ callSid: call.sid, text: "Nobody has seen this." }),
  });
  assert.equal(said.status, 200);
  await page.getByText("Not live", { exact: true }).waitFor({ timeout: 15_500 });
  assert.equal(await page.getByText("Nobody has seen this.").count(), 0);
  // Pressed before the way is open again, for the page tries by itself as well and then takes the
  // button away; in one step with looking for it.
  await page.getByRole("button", { name: "Try now" }).evaluate((button) => button.click());
  dead = false;
  for (const open of waiting) open();
  await entry(page, "supervisor", "Nobody has seen this.").waitFor();
  await page.getByText("Live", { exact: true }).waitFor();
  call.hangUp();
  await someone.close();
});
