/** Debian's Chromium, or the one that `CHROMIUM` names. */
export const CHROMIUM = {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};

/** Collects what goes wrong in a page: its own errors, refused loads, whatever it logs as one. */
export function report(page, where, problems) {
  page.on("pageerror", (error) => problems.push(`${where}: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(`${where}: ${message.text()}`);
  });
}

/** Keeps a picture of every page that is open when a test fails. */
export async function pictures(browser, testInfo) {
  if (testInfo.status === testInfo.expectedStatus) return;
  const pages = browser.contexts().flatMap((context) => context.pages());
  for (const [at, page] of pages.entries()) {
    const path = testInfo.outputPath(`page-${at}.png`);
    await page.screenshot({ path }).catch(() => {});
  }
}
