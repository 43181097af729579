// The page in a real browser against the real server between its stand-ins: every control pressed
// and its effect seen at the far end of the line. `npm run build` and the server's debug build first.
// An argument chooses the checks whose name matches it.
import { runChecks } from "./chromium.mjs";
import { connection } from "./live/connection.mjs";
import { browser, figures, phony, picture, problems } from "./live/context.mjs";
import { controls } from "./live/controls.mjs";
import { entering } from "./live/entering.mjs";
import { history } from "./live/history.mjs";
import { load } from "./live/load.mjs";
import { nodes } from "./live/nodes.mjs";
import { placing } from "./live/placing.mjs";
import { restarts } from "./live/restarts.mjs";
import { softphone } from "./live/softphone.mjs";
import { together } from "./live/together.mjs";

const checks = {
  ...entering,
  ...controls,
  ...together,
  ...softphone,
  ...placing,
  ...history,
  ...connection,
  ...nodes,
  ...restarts,
  ...load,
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
