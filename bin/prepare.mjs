// Makes a bare clone ready: installs dependencies when they are missing or older than the lock file, and builds
// the pages when no build of this tree exists. Plain Node ≥ 20 without dependencies, because it runs before them.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { buildEnvironment } from "../lib/process/child-environment.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const lockFile = join(root, "package-lock.json");
const installedMark = join(root, "node_modules", ".supravisor-lock");
const buildMark = join(root, ".next", "supravisor-tree");
const [major] = process.versions.node.split(".").map(Number);

function fail(text) {
  process.stderr.write(`supravisor: ${text}\n`);
  process.exit(1);
}

function run(command, args, label) {
  const started = Date.now();
  process.stderr.write(`supravisor: ${label}…\n`);
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", 2, 2],
    env: buildEnvironment({
      PATH: `${join(root, "node_modules", ".bin")}:${process.env.PATH}`,
      NEXT_TELEMETRY_DISABLED: "1",
    }),
  });
  if (result.status !== 0)
    fail(`${label} failed (${[command, ...args].join(" ")}, exit ${result.status ?? result.signal}).`);
  process.stderr.write(`supravisor: ${label}: ${((Date.now() - started) / 1000).toFixed(0)} s\n`);
}

const digest = (text) => createHash("sha256").update(text).digest("hex");

function install() {
  const want = digest(readFileSync(lockFile));
  const have = existsSync(installedMark) ? readFileSync(installedMark, "utf8") : "";
  if (want === have) return;
  run("npm", ["ci", "--no-audit", "--no-fund"], "installing dependencies");
  mkdirSync(dirname(installedMark), { recursive: true });
  writeFileSync(installedMark, want);
}

/** Names, sizes and contents of everything that the build reads. */
function treeDigest() {
  const hash = createHash("sha256");
  const walk = (path) => {
    const stat = statSync(path);
    if (stat.isDirectory()) {
      for (const name of readdirSync(path).sort()) walk(join(path, name));
      return;
    }
    if (/\.(test|spec)\.tsx?$/.test(path)) return;
    hash.update(relative(root, path)).update("\0").update(readFileSync(path)).update("\0");
  };
  for (const name of [
    "app",
    "components",
    "lib",
    "public",
    "next.config.ts",
    "postcss.config.mjs",
    "tsconfig.json",
    "package-lock.json",
  ]) {
    if (existsSync(join(root, name))) walk(join(root, name));
  }
  return hash.digest("hex");
}

function build() {
  const want = treeDigest();
  const have =
    existsSync(buildMark) && existsSync(join(root, ".next", "BUILD_ID")) ? readFileSync(buildMark, "utf8") : "";
  if (want === have) return;
  run("next", ["build"], "building the pages");
  writeFileSync(buildMark, want);
}

if (!(major >= 20)) fail(`Node 20 or newer is needed, this is ${process.version}.`);
install();
if (process.argv[2] !== "install") build();
