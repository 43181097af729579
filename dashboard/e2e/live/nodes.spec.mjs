// Several servers that are one.
import assert from "node:assert/strict";
import { report } from "../support/chromium.mjs";
import { logIn, test } from "./fixtures.mjs";

test("every node is listed, and how it is", async ({ phony, supervisor, somebody, problems }) => {
  const alone = await supervisor.open("/health");
  const nodes = (page) => page.getByRole("table", { name: "Nodes" }).locator("[data-node]");
  await alone.locator("[data-node=this][data-state=ready]").waitFor();
  assert.equal(await nodes(alone).count(), 1);
  await alone.close();
  const { nodes: servers, close } = await phony.several(3);
  const [first, second, third] = servers;
  const visitor = await somebody({ loggedIn: false });
  const page = await visitor.context.newPage();
  report(page, "nodes", problems);
  await logIn(visitor.context, first.origin);
  await page.goto(`${first.origin}/dashboard/health`);
  const row = ({ origin }) => nodes(page).filter({ hasText: new URL(origin).port });
  for (const server of servers) {
    await row(server).and(page.locator("[data-state=ready]")).waitFor();
  }
  await row(first).getByText("this server").waitFor();
  await second.end("SIGKILL");
  await row(second).getByText("Silent").waitFor();
  await third.end("SIGTERM");
  await row(third).waitFor({ state: "detached" });
  await row(first).getByText("Taking calls").waitFor();
  await first.end("SIGKILL");
  close();
  await visitor.close();
});
