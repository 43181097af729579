// Many calls of a real server at once.
import assert from "node:assert/strict";
import { run, smooth } from "../smooth.mjs";
import { TOKEN } from "../test-server.mjs";
import { figures, phony, somebody } from "./context.mjs";

export const load = {
  async "two hundred calls of the real server ramp up, and the page stays smooth"() {
    const server = await phony.underLoad(200, 40, 8);
    const visitor = await somebody({ loggedIn: false });
    const answer = await visitor.context.request.post(`${server.origin}/login`, {
      data: { token: TOKEN },
    });
    assert.equal(answer.status(), 200);
    const generator = server.begin();
    figures.load = await smooth(visitor.context, `${server.origin}/dashboard/`, async (page) => {
      await page.locator("[data-count='200']").waitFor({ timeout: 30_000 });
      await run(page, 4_000);
      await page.getByText("AI speaks").first().waitFor();
    });
    await generator.over;
    server.end();
    await visitor.close();
  },
};
