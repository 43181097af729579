// The page in a real browser, on recorded events: every control pressed and its effect seen, the
// plug pulled, hostile text, axe, and how smooth it stays under load. Fails on the first surprise.
// An argument chooses the checks whose name matches it.
import { runChecks } from "./chromium.mjs";
import { access } from "./mock/access.mjs";
import { board } from "./mock/board.mjs";
import { callPage } from "./mock/callPage.mjs";
import { connection } from "./mock/connection.mjs";
import { figures, site } from "./mock/context.mjs";
import { controls } from "./mock/controls.mjs";
import { keyboard } from "./mock/keyboard.mjs";
import { smoothness } from "./mock/smoothness.mjs";

const checks = {
  ...controls,
  ...keyboard,
  ...board,
  ...callPage,
  ...connection,
  ...access,
  ...smoothness,
};

let failed = 0;
try {
  failed = await runChecks(checks, process.argv[2]);
} finally {
  await site.stop();
}
const expected = (problem) => / 40[14] |status of 40/.test(problem);
const surprises = site.problems.filter((problem) => !expected(problem));
for (const problem of surprises) console.log(`page error  ${problem}`);
console.log("long tasks:", JSON.stringify(figures));
process.exitCode = failed + surprises.length > 0 ? 1 : 0;
