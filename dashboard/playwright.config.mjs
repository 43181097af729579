// The page in Chromium: on recorded events, and against a real server between its stand-ins.
import { defineConfig } from "@playwright/test";
import { CHROMIUM } from "./e2e/support/chromium.mjs";

export default defineConfig({
  testMatch: "*.spec.mjs",
  projects: [
    { name: "recorded", testDir: "e2e/recorded" },
    { name: "live", testDir: "e2e/live" },
    // How smooth the page is; run alone, by one worker.
    { name: "measure", testDir: "e2e/measure" },
  ],
  workers: 2,
  retries: 0,
  timeout: 180_000,
  forbidOnly: true,
  reporter: "list",
  use: {
    actionTimeout: 30_000,
    navigationTimeout: 30_000,
    launchOptions: CHROMIUM,
  },
});
