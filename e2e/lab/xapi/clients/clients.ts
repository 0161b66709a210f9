/** Clients of the XenAPI that others wrote: what of them is here, and how they are run. */
import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const CACHE =
  process.env["SUPRAVISOR_LAB_CACHE"] ??
  join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "supravisor-lab");
/** ISC itself, but some of what it needs is AGPL: it is kept outside of this package and is never part of the product. */
const XEN_API = "4.7.6";
const FENCE = "/usr/sbin/fence_xenapi";

/** Its main module, installed into the cache when it is not there; null with the reason when it cannot be had. */
export function xenApiModule(): { path: string; why: null } | { path: null; why: string } {
  const folder = join(CACHE, `xen-api-${XEN_API}`);
  const path = join(folder, "node_modules", "xen-api", "index.mjs");
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
    const npm = spawnSync("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", `xen-api@${XEN_API}`], {
      cwd: folder,
      stdio: "ignore",
      timeout: 120_000,
    });
    if (npm.status !== 0 || !existsSync(path)) return { path: null, why: "npm's xen-api cannot be installed" };
  }
  return { path, why: null };
}

export function whyNoPythonClient(): string | null {
  return existsSync("/usr/lib/python3/dist-packages/os_xenapi/client/XenAPI.py")
    ? null
    : "python3-os-xenapi is not installed";
}

export function whyNoFenceAgent(): string | null {
  return existsSync(FENCE) ? null : "fence-agents is not installed";
}

export function whyNoXvaImg(): string | null {
  return existsSync("/usr/bin/xva-img") ? null : "xva-img is not installed";
}

/** The simulator answers in this process, so that nothing here may block it. */
async function capture(program: string, args: readonly string[], certificate: string): Promise<string> {
  const { stdout } = await run(program, [...args], {
    timeout: 50_000,
    env: { ...process.env, SSL_CERT_FILE: certificate, NODE_OPTIONS: "" },
  });
  return stdout;
}

export const runPython = (certificate: string, ...args: string[]): Promise<string> =>
  capture("/usr/bin/python3", [join(import.meta.dirname, "records.py"), ...args], certificate);

export const runXenApi = (certificate: string, ...args: string[]): Promise<string> =>
  capture(process.execPath, [join(import.meta.dirname, "follow.mjs"), ...args], certificate);

export const runFence = (certificate: string, ...args: string[]): Promise<string> => capture(FENCE, args, certificate);
