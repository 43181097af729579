// No task that is felt.
import { call, DESK, test } from "../recorded/fixtures.mjs";
import { readBack } from "../support/in-page.mjs";
import { measured } from "../support/measured.mjs";
import { run, smooth } from "../support/smooth.mjs";

test("two hundred calls that stream words are smooth from the first moment", async ({ site }) => {
  await cold(site, "/?quiet&load=200", async (page) => {
    await page.locator("a[data-row='9']").waitFor();
    await page.locator("[data-count='200']").waitFor();
    await run(page, 4_000);
  });
});

test("two hundred calls that come one after the other are, too", async ({ site }) => {
  await cold(site, "/?quiet&load=200&ramp=5", async (page) => {
    await page.locator("[data-count='200']").waitFor();
    await run(page, 2_000);
  });
});

test("so is a wall of four thousand pixels", async ({ site }) => {
  await cold(
    site,
    "/?quiet&load=200&ramp=2",
    async (page) => {
      await page.locator("[data-count='200']").waitFor();
      await run(page, 3_000);
    },
    { viewport: { width: 3840, height: 2160 } },
  );
});

test("a transcript of two thousand turns is smooth while it comes and while it is read", async ({
  site,
}) => {
  await cold(site, `${call(8)}?quiet&long=2000`, async (page) => {
    await page.locator("[data-who]", { hasText: "(2000)" }).waitFor();
    await page.evaluate(readBack);
    await run(page, 500);
  });
});

/** Opens a page in a browser that has never seen it, and holds it to being smooth. */
async function cold(site, path, work, { viewport = DESK } = {}) {
  const context = await site.browser.newContext({ viewport });
  measured(await smooth(context, `${site.origin}/dashboard${path}`, work));
  await context.close();
}
