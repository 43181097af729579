// The page of a real server: its first paint, and many calls at once.
import assert from "node:assert/strict";
import { logIn, test } from "../live/fixtures.mjs";
import { measured } from "../support/measured.mjs";
import { run, smooth } from "../support/smooth.mjs";

test("two hundred calls of the real server ramp up, and the page stays smooth", async ({
  phony,
  somebody,
}) => {
  const server = await phony.underLoad(200, 40, 8);
  const visitor = await somebody({ loggedIn: false });
  await logIn(visitor.context, server.origin);
  const generator = server.begin();
  const figures = await smooth(visitor.context, `${server.origin}/dashboard/`, async (page) => {
    await page.locator("[data-count='200']").waitFor({ timeout: 30_000 });
    await run(page, 4_000);
    await page.getByText("AI speaks").first().waitFor();
  });
  measured(figures);
  await generator.over;
  server.end();
  await visitor.close();
});

test("a page is painted within a second", async ({ somebody }) => {
  const paints = [];
  for (let at = 0; at < 3; at += 1) {
    const cold = await somebody();
    const opened = await cold.open("/");
    await opened.getByRole("region", { name: "Live calls", exact: true }).waitFor();
    paints.push(
      await opened.evaluate(
        () => performance.getEntriesByName("first-contentful-paint")[0].startTime,
      ),
    );
    await cold.close();
  }
  measured({ firstPaintMs: paints.map(Math.round) });
  assert(Math.min(...paints) < 1_000, `painted after ${paints} ms`);
});
