/**
 * Loads the page module by module, each evaluated in a task of its own: evaluating all at once would
 * keep the browser from painting. They are fetched together (`vite.config.ts`).
 */
import { guardDom } from "./lib/domGuard";

const PIECES = [
  () => import("react-dom/client"),
  () => import("@emotion/react"),
  () => import("@mui/material/styles"),
  () => import("./app/theme"),
  () => import("@tanstack/react-query"),
  () => import("./app/Shell"),
  () => import("./main"),
];

const pause = () => new Promise((done) => setTimeout(done));

async function boot(): Promise<void> {
  guardDom(Node.prototype);
  for (const piece of PIECES) {
    await piece();
    await pause();
  }
  const { start } = await import("./main");
  const root = document.getElementById("root");
  if (root) await start(root);
}

void boot();
