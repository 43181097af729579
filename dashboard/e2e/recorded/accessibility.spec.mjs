// Screen readers, contrast, focus: axe on every page.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { call, DESK, PHONE, test } from "./fixtures.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Every page, and what can be open on it. */
const STATES = [
  ["/"],
  ["/?quiet"],
  ["/?login"],
  [call(1)],
  [call(2)],
  [call(7)],
  [call(6), (page) => page.getByRole("button", { name: "End call" }).click()],
  ["/history"],
  ["/history", (page) => page.getByRole("button", { name: "Export" }).click()],
  ["/new?scenario=inquiry"],
  ["/softphone"],
  [
    "/softphone?quiet",
    async (page) => {
      await page.getByRole("button", { name: "Start call" }).click();
      await page.locator("[data-who=ai]").first().waitFor();
    },
  ],
  ["/agents"],
  ["/health"],
  ["/health", (page) => page.keyboard.press("?")],
];

test("axe finds nothing serious, in light and dark, on a desk and a phone", async ({ site }) => {
  const found = [];
  for (const [path, prepare] of STATES) {
    const page = await site.open(path, { ready: "main a, main button, form" });
    await page.locator("[role=progressbar]").first().waitFor({ state: "detached" });
    await prepare?.(page);
    await page.evaluate(axe);
    for (const [colorScheme, size] of [
      ["light", DESK],
      ["dark", DESK],
      ["light", PHONE],
      ["dark", PHONE],
    ]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.setViewportSize(size);
      const { violations } = await page.evaluate(() =>
        window.axe.run(document, { resultTypes: ["violations"] }),
      );
      for (const { id, impact, nodes } of violations) {
        if (impact !== "serious" && impact !== "critical") continue;
        const where = nodes.map((node) => node.html.slice(0, 160)).join(" | ");
        found.push(`${path} ${colorScheme} ${size.width}: ${id}: ${where}`);
      }
    }
    await page.close();
  }
  assert.deepEqual(found, []);
});
