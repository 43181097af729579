// The page in a real browser against the real server between its stand-ins: every control pressed
// and its effect seen at the far end of the line. `npm run build` and the server's debug build first.
import assert from "node:assert/strict";
import { launch, report, runChecks } from "./chromium.mjs";
import { CAREFUL_NUMBER, house, TOKEN } from "./house.mjs";

const phony = await house();
const browser = await launch();
const problems = [];
const figures = {};

/** A browser of its own: cookies, storage and all. */
async function somebody({ loggedIn = true, size = { width: 1440, height: 900 } } = {}) {
  const context = await browser.newContext({ viewport: size, reducedMotion: "reduce" });
  context.setDefaultTimeout(15_000);
  if (loggedIn) {
    const answer = await context.request.post(`${phony.origin}/login`, { data: { token: TOKEN } });
    assert.equal(answer.status(), 200);
  }
  const open = async (path) => {
    const page = await context.newPage();
    report(page, path, problems);
    await page.goto(`${phony.origin}/dashboard${path}`);
    return page;
  };
  return { context, open, close: () => context.close() };
}

const supervisor = await somebody();
const button = (page, name) => page.getByRole("button", { name, exact: true });
const field = (page, name) => page.getByRole("textbox", { name, exact: true });
const transcript = (page) => page.getByRole("region", { name: "Transcript", exact: true });
const chip = (page, type, text) =>
  transcript(page).locator(`[data-chip=${type}]`, text === undefined ? {} : { hasText: text });
/** A finished line: its words have been said to their end, or as far as they were heard. */
const line = (page, who, text) =>
  transcript(page).locator(`[data-who=${who}]:not([data-faint=true])`, { hasText: text });

/** Ends the call by its button, and says yes when asked. */
async function endCall(page) {
  await button(page, "End call").click();
  await page.getByRole("dialog").getByRole("button", { name: "End call" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
}

async function send(page, label, text, press) {
  await field(page, label).fill(text);
  await button(page, press).click();
}

/** Keeps a picture of every page that is open when a check fails, where a folder is named. */
async function picture(name) {
  const folder = process.env.PHONY_PICTURES;
  if (!folder) return;
  const pages = browser.contexts().flatMap((context) => context.pages());
  for (const [at, page] of pages.entries()) {
    await page.screenshot({ path: `${folder}/${name.slice(0, 40)} ${at}.png` });
  }
}

/** What the server sent down the line, frame by frame. */
const sent = (record) =>
  record.frames.filter(({ from }) => from === "application").map(({ text }) => JSON.parse(text));

/** What the far end of a call heard, in one text. */
const heard = (record) => record.heard.map((piece) => piece.text).join(" ");

const checks = {
  async "a wrong token is refused, the right one opens the page, log-out closes it"() {
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
  },

  async "the link from the terminal logs in once"() {
    const first = await somebody({ loggedIn: false });
    const page = await first.context.newPage();
    await page.goto(phony.login());
    await page.getByRole("region", { name: "Live calls", exact: true }).waitFor();
    await first.close();
    const second = await somebody({ loggedIn: false });
    const late = await second.context.newPage();
    await late.goto(phony.login());
    await field(late, "Access token").waitFor();
    await second.close();
  },

  async "the page comes with its policy, and is painted within a second"() {
    const page = await fetch(`${phony.origin}/dashboard/`);
    const policy = page.headers.get("content-security-policy");
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    assert.equal(page.headers.get("cache-control"), "no-cache");
    assert.equal(page.headers.get("x-content-type-options"), "nosniff");
    const asset = /assets\/[^"]+\.js/.exec(await page.text())[0];
    const script = await fetch(`${phony.origin}/dashboard/${asset}`);
    assert.match(script.headers.get("cache-control"), /immutable/);
    const paints = [];
    for (let at = 0; at < 3; at += 1) {
      const cold = await somebody();
      const opened = await cold.open("/");
      await opened.getByText("All quiet").waitFor();
      paints.push(
        await opened.evaluate(
          () => performance.getEntriesByName("first-contentful-paint")[0].startTime,
        ),
      );
      await cold.close();
    }
    figures.firstPaintMs = paints.map(Math.round);
    assert(Math.min(...paints) < 1_000, `painted after ${paints} ms`);
  },

  async "every hand reaches the caller"() {
    const call = await phony.ring(["Where are you?"]);
    const page = await supervisor.open("/");
    const row = page.getByRole("region", { name: "Live calls", exact: true }).getByRole("link");
    await row.first().click();
    await line(page, "caller", "Where are you?").waitFor();
    for (const digit of "0123456789*#") {
      await button(page, `Digit ${digit}`).click();
      await chip(page, "command_executed", `Press${digit}`).last().waitFor();
    }
    await send(page, "Say to caller", "One moment please, this is a person.", "Say");
    await line(page, "supervisor", "this is a person").waitFor();
    await send(page, "Whisper to AI", "Offer the caller a coffee.", "Whisper");
    await chip(page, "whisper", "Offer the caller a coffee.").waitFor();
    await button(page, "Take over").click();
    await chip(page, "takeover").waitFor();
    await send(page, "Say to caller", "I have taken over.", "Say");
    await line(page, "supervisor", "I have taken over.").waitFor();
    await button(page, "Release").click();
    await chip(page, "release").waitFor();
    await button(page, "Take over").waitFor();
    await button(page, "End call").click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await endCall(page);
    await chip(page, "session_end").waitFor();
    await page.getByRole("heading", { name: "Record" }).waitFor();
    const record = await call.record();
    assert.equal(record.end, "twiml_ended");
    const frames = sent(record);
    const digits = frames.filter(({ type }) => type === "sendDigits");
    assert.equal(digits.map((frame) => frame.digits).join(""), "0123456789*#");
    const words = frames.map((frame) => frame.token ?? "").join("");
    assert.match(words, /One moment please, this is a person\./);
    assert.match(words, /I have taken over\./);
    assert.doesNotMatch(words, /coffee/);
    for (const format of ["Text", "JSON"]) {
      const link = page.getByRole("link", { name: format, exact: true });
      const exported = await supervisor.context.request.get(
        `${phony.origin}${await link.getAttribute("href")}`,
      );
      assert.match(await exported.text(), /Where are you/);
    }
    return page;
  },

  async "a transfer is checked while it is typed, confirmed, and dialled"() {
    const call = await phony.ring(["Hello."]);
    const page = await supervisor.open(`/calls/${call.sid}`);
    await line(page, "caller", "Hello.").waitFor();
    await field(page, "Transfer to").fill("4155550171");
    await page.getByText("Begin with + and the country code.").waitFor();
    assert(await button(page, "Transfer").isDisabled());
    await field(page, "Transfer to").fill("+1 415 555 0171");
    await button(page, "Transfer").click();
    await page.getByRole("dialog").getByRole("button", { name: "Transfer" }).click();
    await chip(page, "session_transfer").waitFor();
    const record = await call.record();
    assert.equal(record.dialled[0].to, "+14155550171");
    return page;
  },

  async "a question is answered from the wallboard, and the caller hears it"() {
    const call = await phony.ring(["I want a refund."]);
    const page = await supervisor.open("/");
    const needs = page.getByRole("region", { name: "Needs a human", exact: true });
    await needs.getByText("I want a refund").waitFor();
    await page
      .getByText(/\d+ s left|0:\d\d left/)
      .first()
      .waitFor();
    await send(needs, "Answer for AI", "Forty dollars are on their way.", "Answer");
    await needs.getByText("Nobody is waiting for you.").waitFor();
    await page.goto(`${phony.origin}/dashboard/calls/${call.sid}`);
    await chip(page, "query_response", "Forty dollars").waitFor();
    await line(page, "ai", "My colleague says: Forty dollars are on their way.").waitFor();
    await endCall(page);
    assert.match(heard(await call.record()), /My colleague says/);
    return page;
  },

  async "a held reply is rejected, edited, and sent as it is"() {
    const call = await phony.ring(["Where are you?", "And your opening hours?"], CAREFUL_NUMBER);
    const page = await supervisor.open(`/calls/${call.sid}`);
    const needs = page.getByRole("region", { name: "Needs a human", exact: true });
    await needs.getByText("12 Harbour Street").waitFor();
    await field(needs, "Reason for the AI (optional)").fill("Too curt.");
    await button(needs, "Reject").click();
    await chip(page, "response_rejected", "Too curt.").waitFor();
    await needs.getByText("Let me put it this way.").waitFor();
    await field(needs, "Reply to send").fill("We are at 14 Harbour Street.");
    await button(needs, "Approve").click();
    await line(page, "ai", "We are at 14 Harbour Street.").waitFor();
    await needs.getByText("nine to five").waitFor();
    await button(needs, "Approve").click();
    await line(page, "ai", "nine to five").waitFor();
    await endCall(page);
    const words = heard(await call.record());
    assert.match(words, /14 Harbour Street/);
    assert.match(words, /nine to five/);
    assert.doesNotMatch(words, /12 Harbour Street/);
    return page;
  },

  async "two supervisors see at once what the other does, and the first answer counts"() {
    const call = await phony.ring(["I want a discount."]);
    const other = await somebody();
    const mine = await supervisor.open(`/calls/${call.sid}`);
    const theirs = await other.open(`/calls/${call.sid}`);
    await field(theirs, "Answer for AI").waitFor();
    await send(mine, "Answer for AI", "Ten percent.", "Answer");
    await chip(theirs, "query_response", "Ten percent.").waitFor();
    await field(theirs, "Answer for AI").waitFor({ state: "detached" });
    await send(theirs, "Say to caller", "From the other desk.", "Say");
    await line(mine, "supervisor", "From the other desk.").waitFor();
    await button(mine, "Take over").click();
    await button(theirs, "Release").click();
    await button(mine, "Take over").waitFor();
    call.hangUp();
    await other.close();
    return mine;
  },

  async "the softphone is a call like any other"() {
    const page = await supervisor.open("/softphone");
    await page.getByRole("combobox", { name: "Agent" }).click();
    await page.getByRole("option", { name: "Customer Service Rep" }).click();
    await button(page, "Start call").click();
    await line(page, "ai", "automated customer service").waitFor();
    const watcher = await supervisor.open("/");
    const row = watcher.getByRole("region", { name: "Live calls", exact: true });
    await row.getByRole("link").filter({ hasText: "support" }).click();
    await send(page, "Your words", "I lost my debit card.", "Speak");
    await line(watcher, "caller", "I lost my debit card.").waitFor();
    await field(page, "Your words").fill("Stop, my name is Ada.");
    await page.locator("[data-caption]", { hasText: "sorry" }).waitFor();
    await field(page, "Your words").press("Enter");
    await line(watcher, "ai", "interrupted").waitFor();
    await line(watcher, "ai", "I have noted your name").waitFor();
    await send(watcher, "Say to caller", "A person steps in.", "Say");
    await page.locator("[data-caption]", { hasText: "A person steps in." }).waitFor();
    await page.getByRole("button", { name: "Press 5" }).click();
    await chip(watcher, "dtmf", "5").waitFor();
    await button(page, "Hang up").click();
    await page.getByText("The call is over").waitFor();
    await chip(watcher, "session_end").waitFor();
    await watcher.close();
    return page;
  },

  async "hostile text is shown as text"() {
    const page = await supervisor.open("/softphone");
    await button(page, "Start call").click();
    await line(page, "ai", "Hello").waitFor();
    const hostile =
      "<script>document.title='gone'</script><img src=x onerror=\"document.title='gone'\">";
    await send(page, "Your words", hostile, "Speak");
    await line(page, "caller", hostile).waitFor();
    await send(page, "Your words", "\u202Ereversed \u2067marks", "Speak");
    await line(page, "caller", "reversed").waitFor();
    await send(page, "Your words", "W".repeat(10_000), "Speak");
    await line(page, "caller", "WWWW").waitFor();
    assert.match(await page.title(), /Phony/);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert(wide <= 0, `the page is ${wide} px too wide`);
    await button(page, "Hang up").click();
    return page;
  },

  async "another agent answers by default, and is tried from its card"() {
    const page = await supervisor.open("/agents");
    const card = page.getByRole("region", { name: "Information Hotline" });
    await card.getByRole("button", { name: "Make default" }).click();
    await card.getByText("answers by default").waitFor();
    const call = await phony.ring(["Hello."]);
    const board = await supervisor.open(`/calls/${call.sid}`);
    await chip(board, "session_start", "hotline").waitFor();
    call.hangUp();
    await board.close();
    await card.getByRole("link", { name: "Try it" }).click();
    await page.getByRole("combobox", { name: "Agent" }).getByText("Information Hotline").waitFor();
    await page.goBack();
    const usual = page.getByRole("region", { name: "Professional Assistant" });
    await usual.getByRole("button", { name: "Make default" }).click();
    await usual.getByText("answers by default").waitFor();
    return page;
  },

  async "a call is placed with its scenario filled in, and what is forbidden is explained"() {
    const page = await supervisor.open("/new");
    const place = button(page, "Place call");
    await field(page, "Number to call").fill("911");
    await page.getByRole("combobox", { name: "Scenario" }).click();
    await page.getByRole("option", { name: "Friendly Check-in" }).click();
    await field(page, "Name").fill("Ada");
    await page.getByText(/Hello Ada, this is an automated assistant/).waitFor();
    assert(await place.isDisabled());
    await page.getByRole("checkbox").check();
    await place.click();
    await page.getByText("Refused by a safety rule").waitFor();
    await field(page, "Number to call").fill("(415) 555-2671");
    await place.click();
    await transcript(page).waitFor();
    await line(page, "ai", "Hello Ada, this is an automated assistant").waitFor();
    await line(page, "caller", "Where are you?").waitFor();
    await chip(page, "session_start").waitFor();
    await endCall(page);
    await chip(page, "session_end").waitFor();
    return page;
  },

  async "a search leads to the turn that matched"() {
    const page = await supervisor.open("/history");
    await page.getByRole("searchbox", { name: "Search calls" }).fill("my name is Ada");
    await page
      .getByRole("listitem")
      .filter({ hasText: "my name is Ada" })
      .first()
      .getByRole("link")
      .click();
    await page.locator("[data-found=true]", { hasText: "my name is Ada" }).waitFor();
    return page;
  },

  async "a server that dies under an open page is said to be gone, and found again"() {
    const call = await phony.ring(["Where are you?"]);
    const page = await supervisor.open(`/calls/${call.sid}`);
    const board = await supervisor.open("/");
    const softphone = await supervisor.open("/softphone");
    await button(softphone, "Start call").click();
    await line(softphone, "ai", "Hello").waitFor();
    await line(page, "ai", "12 Harbour Street").waitFor();
    await phony.kill();
    call.hangUp();
    await page.getByText("The connection to the server was lost").waitFor();
    await phony.serve();
    await page.getByText("The connection to the server was lost").waitFor({ state: "detached" });
    assert.equal(await line(page, "ai", "12 Harbour Street").count(), 1);
    await chip(softphone, "resumed").waitFor();
    await send(softphone, "Your words", "Where are you?", "Speak");
    await line(softphone, "ai", "12 Harbour Street").waitFor();
    assert.equal(await line(softphone, "ai", "Hello, you are").count(), 1);
    await button(softphone, "Hang up").click();
    await softphone.close();
    const next = await phony.ring(["What about prices?"]);
    await board.goto(`${phony.origin}/dashboard/calls/${next.sid}`);
    await line(board, "caller", "What about prices?").waitFor();
    assert.equal(await line(board, "caller", "What about prices?").count(), 1);
    next.hangUp();
    await board.close();
    return page;
  },
};

let failed = 1;
try {
  failed = await runChecks(checks, process.argv[2], picture);
  if (failed > 0) console.log(phony.log().split("\n").slice(-30).join("\n"));
} finally {
  await browser.close();
  await phony.stop();
}
// What is refused on purpose, and the server that was killed, are logged by the browser itself.
const expected = (problem) =>
  /status of 4(01|04|09|22)|ERR_CONNECTION_REFUSED|WebSocket/.test(problem);
const surprises = problems.filter((problem) => !expected(problem));
for (const problem of surprises) console.log(`page error  ${problem}`);
console.log(JSON.stringify(figures));
process.exitCode = failed + surprises.length > 0 ? 1 : 0;
