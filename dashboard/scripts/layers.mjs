// Fails for an import that the order of the layers (README.md) does not allow, for a cycle, and for
// state, time or chance in the model.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const src = fileURLToPath(new URL("../src/", import.meta.url));

/** From the bottom to the top: a file imports from its own layer and from those before it. */
const LAYERS = [
  "fixtures",
  "api",
  "model",
  "texts",
  "lib",
  "live",
  "softphone",
  "components",
  "pages",
  "app",
  "testing",
  "mock",
  "main.tsx",
  "boot.ts",
];

/** Layers that only tests and these other layers may import. */
const ONLY_FOR = { fixtures: ["mock"], mock: ["main.tsx"], testing: [] };

const isTest = (file) => /\.test\.tsx?$/.test(file);
const layerOf = (file) => file.split("/")[0];
/** `call` of `pages/call/Confirm.tsx`, `Login` of `pages/Login.tsx` and its test. */
const pageOf = (file) => file.split("/")[1]?.split(".")[0];

function why(from, to) {
  const [above, below] = [layerOf(from), layerOf(to)];
  if (below === "testing" && isTest(from)) return undefined;
  if (!LAYERS.includes(above)) return "is in no layer";
  if (LAYERS.indexOf(below) > LAYERS.indexOf(above)) return "imports upwards";
  if (above === "pages" && below === "pages" && pageOf(from) !== pageOf(to)) {
    return "imports another page";
  }
  if (above !== below && !isTest(from) && !(ONLY_FOR[below] ?? [above]).includes(above)) {
    return "imports what is for tests";
  }
  return undefined;
}

/** The files of this project that a file imports, types included. */
function importsOf(file) {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(src, file), "utf8"));
  return importedFiles
    .filter(({ fileName }) => fileName.startsWith("."))
    .map(({ fileName }) => {
      const path = join(src, dirname(file), fileName);
      const found = ["", ".ts", ".tsx", "/index.ts", "/index.tsx"]
        .map((end) => path + end)
        .find((each) => existsSync(each) && statSync(each).isFile());
      if (!found) throw new Error(`${file} imports ${fileName}, which is not there`);
      return relative(src, found);
    });
}

const files = readdirSync(src, { recursive: true }).filter((file) => /\.tsx?$/.test(file));
const graph = new Map(files.map((file) => [file, importsOf(file)]));
const problems = [];
for (const [from, imported] of graph) {
  for (const to of imported) {
    const problem = why(from, to);
    if (problem) problems.push(`${from} ${problem}: ${to}`);
  }
}

for (const file of files.filter((each) => layerOf(each) === "model" && !isTest(each))) {
  const text = readFileSync(join(src, file), "utf8");
  for (const statement of ts.createSourceFile(file, text, ts.ScriptTarget.Latest).statements) {
    if (!ts.isVariableStatement(statement)) continue;
    if (!(statement.declarationList.flags & ts.NodeFlags.Const)) {
      problems.push(`${file} has state: ${text.slice(statement.pos, statement.end).trim()}`);
    }
  }
  const impure = /Date\.now\(|new Date\(\)|Math\.random\(/.exec(text);
  if (impure) problems.push(`${file} is not pure: ${impure[0]}`);
}

const done = new Set();
function visit(file, path) {
  if (path.includes(file)) {
    problems.push(`a cycle: ${[...path.slice(path.indexOf(file)), file].join(" → ")}`);
  }
  if (done.has(file)) return;
  done.add(file);
  for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
}
for (const file of files) visit(file, []);

for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
