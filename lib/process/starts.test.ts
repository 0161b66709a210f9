/** A fence over the source tree: whatever starts a program or a thread says which environment it gets. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");
const MODULES = /^(?:node:)?(?:child_process|cluster|worker_threads)$/;
/** Packages that start programs for whoever asks. */
const PACKAGES =
  /^(?:execa|cross-spawn|tinyexec|zx|nano-spawn|piscina|tinypool|workerpool|jest-worker|shelljs)(?:$|\/)/;
const STARTS = new Set(["spawn", "spawnSync", "execFile", "execFileSync", "fork", "Worker"]);
/** Of these modules everything else would be a way around: a shell, all of the environment shared, a cluster. */
const HARMLESS = new Set(["ChildProcess", "WorkerOptions", "parentPort", "workerData", "isMainThread", "MessagePort"]);
const ENVIRONMENTS = new Set(["programEnvironment", "threadEnvironment", "buildEnvironment"]);
/** The one that may hand over everything: it starts the product itself. */
const LAUNCHER = "bin/supravisor.mjs";

/** What is wrong, each as `line: why`. */
function wrongStarts(file: string, text: string): string[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const wrong: string[] = [];
  const say = (node: ts.Node, why: string): void => {
    wrong.push(`${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${why}`);
  };
  const named = (node: ts.Node, name: string): boolean => ts.isIdentifier(node) && node.text === name;

  const importOf = (node: ts.ImportDeclaration): void => {
    const clause = node.importClause;
    if (clause === undefined || clause.isTypeOnly) return;
    const bindings = clause.namedBindings;
    if (clause.name !== undefined || bindings === undefined || !ts.isNamedImports(bindings))
      return say(node, "import the functions by their names");
    for (const each of bindings.elements) {
      const name = (each.propertyName ?? each.name).text;
      if (each.propertyName !== undefined && !each.isTypeOnly) say(each, `${name} under another name`);
      else if (!STARTS.has(name) && !HARMLESS.has(name) && !each.isTypeOnly)
        say(each, `${name} is not for the product`);
    }
  };

  const environmentOf = (call: ts.CallExpression | ts.NewExpression): void => {
    const options = call.arguments?.find(ts.isObjectLiteralExpression);
    const env = options?.properties.findLast((each) => each.name !== undefined && each.name.getText() === "env");
    const last = options?.properties.at(-1);
    if (env === undefined) return say(call, "no environment");
    // What is spread in behind it could put another one in its place.
    if (
      options?.properties.slice(options.properties.indexOf(env)).some(ts.isSpreadAssignment) === true ||
      last === undefined
    )
      return say(call, "the environment may be overwritten");
    const value = ts.isPropertyAssignment(env) ? env.initializer : null;
    const maker =
      value !== null && ts.isCallExpression(value) && ts.isIdentifier(value.expression) ? value.expression.text : "";
    if (ENVIRONMENTS.has(maker) || (maker === "ownEnvironment" && file === LAUNCHER)) return;
    say(call, "an environment that lib/process/child-environment.mjs did not make");
  };

  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      if (MODULES.test(node.moduleSpecifier.text)) return importOf(node);
      if (PACKAGES.test(node.moduleSpecifier.text)) say(node, "a package that starts programs");
    } else if (ts.isStringLiteralLike(node) && MODULES.test(node.text) && (node.text !== "cluster" || isAsked(node))) {
      // import(), require(), export from, getBuiltinModule: each names the module by such a text.
      say(node, "import it at the top, by the functions' names");
    } else if (ts.isPropertyAccessExpression(node) && ["getBuiltinModule", "binding"].includes(node.name.text)) {
      if (named(node.expression, "process")) say(node, "modules are imported");
    } else if ((ts.isCallExpression(node) || ts.isNewExpression(node)) && ts.isIdentifier(node.expression)) {
      if (STARTS.has(node.expression.text)) environmentOf(node);
    } else if (ts.isIdentifier(node) && STARTS.has(node.text) && !isTypeOrName(node)) {
      const { parent } = node;
      const called = (ts.isCallExpression(parent) || ts.isNewExpression(parent)) && parent.expression === node;
      if (!called) say(node, `${node.text} is handed on`);
    }
    ts.forEachChild(node, visit);
  };
  // A file of which no import leads there has its own meaning for these words.
  if (!/child_process|cluster|worker_threads|getBuiltinModule|process\.binding/.test(text) && !usesPackage(text))
    return [];
  visit(source);
  return wrong;
}

/** `cluster` is also a word of file systems and hypervisors. */
const isAsked = ({ parent }: ts.Node): boolean => ts.isCallExpression(parent) || ts.isExportDeclaration(parent);

const usesPackage = (text: string): boolean =>
  [...text.matchAll(/from\s+["']([^"']+)["']/g)].some(([, name]) => PACKAGES.test(name ?? ""));

function isTypeOrName(node: ts.Identifier): boolean {
  const { parent } = node;
  return (
    ts.isTypeReferenceNode(parent) ||
    ts.isImportSpecifier(parent) ||
    ts.isPropertyAssignment(parent) ||
    ts.isPropertySignature(parent) ||
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    ts.isMethodDeclaration(parent)
  );
}

/** Tests and what only they import. */
const TEST =
  /(?:\.(?:test|spec)\.tsx?$|(?:^|\/)testing(?:\/|[-.])|^lib\/disk\/copy\/lean-thread\.ts$|^lib\/hypervisor\/contract\.ts$)/;

function* sources(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (/\.(?:[cm]?[jt]sx?)$/.test(entry.name)) yield path;
  }
}

describe("what starts a program or a thread", () => {
  it("says in the whole tree which environment it gets", () => {
    const found: string[] = [];
    let starters = 0;
    for (const path of ["lib", "bin", "app", "components"].flatMap((name) => [...sources(join(ROOT, name))])) {
      const file = relative(ROOT, path);
      if (TEST.test(file)) continue;
      const text = readFileSync(path, "utf8");
      if (/\b(?:spawn|spawnSync|execFile|Worker)\(/.test(text)) starters += 1;
      found.push(...wrongStarts(file, text).map((why) => `${file}:${why}`));
    }
    expect(found).toEqual([]);
    // The walk has seen the tree.
    expect(starters).toBeGreaterThanOrEqual(4);
  });

  const head = 'import { spawn } from "node:child_process";\n';
  it.each([
    [`${head}spawn("x", [], { env: programEnvironment() });`],
    [`${head}spawn("x", [], { stdio: "ignore", ...more, env: programEnvironment({ A: "1" }) });`],
    [
      'import { Worker, type WorkerOptions } from "node:worker_threads";\nnew Worker(url, { env: threadEnvironment() });',
    ],
    ['import { parentPort, workerData } from "node:worker_threads";\nparentPort.on("message", f);'],
    ['import type { ChildProcess } from "node:child_process";\nlet child: ChildProcess;'],
    ["const spawn = 1;\nspawn(2);"],
    ['const what = found["cluster"] ?? "cluster";'],
  ])("lets pass: %s", (text) => expect(wrongStarts("lib/x.ts", text)).toEqual([]));

  it.each([
    [`${head}spawn("x");`],
    [`${head}spawn("x", [], { stdio: "ignore" });`],
    [`${head}spawn("x", [], { env: process.env });`],
    [`${head}spawn("x", [], { env: { ...process.env, ...programEnvironment() } });`],
    [`${head}spawn("x", [], { env: programEnvironment(), ...more });`],
    [`${head}spawn("x", [], options);`],
    [`${head}spawn("x", [], { env });`],
    [`${head}const start = spawn;\nstart("x");`],
    [`${head}run(spawn);`],
    [`${head}spawn("x", [], { env: ownEnvironment({}) });`],
    ['import { spawn as run } from "node:child_process";\nrun("x");'],
    ['import { exec } from "child_process";\nexec("x");'],
    ['import * as programs from "node:child_process";\nprograms.spawn("x");'],
    ['import programs from "node:child_process";\nprograms.spawn("x");'],
    ['const { spawn: run } = await import("node:child_process");\nrun("x");'],
    ['const run = require("child_process").execSync;\nrun("x");'],
    ['createRequire(import.meta.url)("child_process").execSync("x");'],
    ['process.getBuiltinModule("node:child_process").execSync("x");'],
    ['export { spawn } from "node:child_process";'],
    ['require("cluster").fork();'],
    ['import cluster from "node:cluster";\ncluster.fork();'],
    ['import { Worker } from "node:worker_threads";\nnew Worker(url);'],
    ['import { SHARE_ENV, Worker } from "node:worker_threads";\nnew Worker(url, { env: SHARE_ENV });'],
    ['import { execa } from "execa";\nawait execa("x");'],
  ])("holds back: %s", (text) => expect(wrongStarts("lib/x.ts", text)).not.toEqual([]));
});
