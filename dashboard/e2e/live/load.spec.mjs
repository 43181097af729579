// Many calls of a real server at once.
import { measured } from "../support/measured.mjs";
import { run, smooth } from "../support/smooth.mjs";
import { logIn, test } from "./fixtures.mjs";

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
