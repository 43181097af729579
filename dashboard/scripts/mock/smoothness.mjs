// No task that is felt.
import assert from "node:assert/strict";
import { run, smooth } from "../smooth.mjs";
import { call, DESK, figures, site } from "./context.mjs";

export const smoothness = {
  async "two hundred calls that stream words are smooth from the first moment"() {
    figures.wallboard = await cold("/?quiet&load=200", async (page) => {
      await page.locator("a[data-row='9']").waitFor();
      await page.locator("[data-count='200']").waitFor();
      await run(page, 4_000);
    });
  },

  async "two hundred calls that come one after the other are, too"() {
    figures.ramp = await cold("/?quiet&load=200&ramp=5", async (page) => {
      await page.locator("[data-count='200']").waitFor();
      await run(page, 2_000);
    });
  },

  async "so is a wall of four thousand pixels"() {
    figures.wall = await cold(
      "/?quiet&load=200&ramp=2",
      async (page) => {
        await page.locator("[data-count='200']").waitFor();
        await run(page, 3_000);
      },
      { viewport: { width: 3840, height: 2160 } },
    );
  },

  async "a transcript of two thousand turns is smooth while it comes and while it is read"() {
    figures.transcript = await cold(`${call(8)}?quiet&long=2000`, async (page) => {
      await page.locator("[data-who]", { hasText: "(2000)" }).waitFor();
      await page.evaluate(() => {
        const box = document.querySelector("[role=log]");
        let step = 0;
        return new Promise((done) => {
          const timer = setInterval(() => {
            box.scrollTop -= 400;
            if (++step < 100) return;
            clearInterval(timer);
            done();
          }, 25);
        });
      });
      const drawn = await page.locator("[data-who]").count();
      assert(drawn < 80, `${drawn} lines are drawn`);
      assert.equal(await page.locator("[data-who]", { hasText: "(2000)" }).count(), 0);
      await run(page, 500);
    });
  },
};

/** Opens a page in a browser that has never seen it, and holds it to being smooth. */
async function cold(path, work, { viewport = DESK } = {}) {
  const context = await site.browser.newContext({ viewport });
  const figures = await smooth(context, `${site.origin}/dashboard${path}`, work);
  await context.close();
  return figures;
}
