// Who gets in, how, and how soon something is seen.
import assert from "node:assert/strict";
import { TOKEN } from "../support/test-server.mjs";
import { button, field, send, test } from "./fixtures.mjs";

test("a wrong token is refused, the right one opens the page, log-out closes it", async ({
  somebody,
}) => {
  const stranger = await somebody({ loggedIn: false });
  const page = await stranger.open("/");
  await send(page, "Access token", "wrong", "Log in");
  await page.getByText("This token is not right").waitFor();
  await send(page, "Access token", TOKEN, "Log in");
  await page.getByRole("region", { name: "Live calls", exact: true }).waitFor();
  await button(page, "Log out").click();
  await field(page, "Access token").waitFor();
  await page.reload();
  await field(page, "Access token").waitFor();
  await stranger.close();
});

test("the link from the terminal logs in once", async ({ phony, somebody }) => {
  const first = await somebody({ loggedIn: false });
  const page = await first.context.newPage();
  // Whoever looks at it before uses nothing up.
  assert.equal((await fetch(phony.login())).status, 200);
  await page.goto(phony.login());
  await button(page, "Log in").click();
  await page.getByRole("region", { name: "Live calls", exact: true }).waitFor();
  await first.close();
  const second = await somebody({ loggedIn: false });
  const late = await second.context.newPage();
  await late.goto(phony.login());
  await button(late, "Log in").click();
  await late.getByText("This link has been used").waitFor();
  await late.getByRole("link", { name: "Log in with the token" }).click();
  await field(late, "Access token").waitFor();
  await second.close();
});

test("the page comes with its policy", async ({ phony }) => {
  const page = await fetch(`${phony.origin}/dashboard/`);
  const policy = page.headers.get("content-security-policy");
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  assert.equal(page.headers.get("cache-control"), "no-cache");
  assert.equal(page.headers.get("x-content-type-options"), "nosniff");
  const asset = /assets\/[^"]+\.js/.exec(await page.text())[0];
  const script = await fetch(`${phony.origin}/dashboard/${asset}`);
  assert.match(script.headers.get("cache-control"), /immutable/);
});
