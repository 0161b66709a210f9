/** VMware's simulator of the vSphere API, built from Debian's source package and kept in the lab's cache. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { labCache } from "../cache.ts";

const NAME = "vcsim-0.24.2-3-pods";
const BUILD_MS = 400_000;
const START_MS = 60_000;
/** Sources that `go build` needs besides the package's own. */
const GO_PACKAGES = [
  "github.com/vmware/govmomi",
  "github.com/google/uuid",
  "github.com/kr/pretty",
  "github.com/a8m/tree",
];

/** Path of `vcsim` or `govc`; there only when `whyNoVcsim` says null. */
export function vcsimProgram(name: "vcsim" | "govc"): string {
  return join(labCache(NAME), name);
}

/** Why there can be no vcsim here, or null. The first caller on a machine builds it, which takes half a minute. */
export function whyNoVcsim(): string | null {
  const built = () => existsSync(vcsimProgram("vcsim")) && existsSync(vcsimProgram("govc"));
  if (built()) return null;
  if (spawnSync("go", ["version"]).status !== 0) return "golang-go is not installed, which builds vcsim";
  for (const name of GO_PACKAGES) {
    if (!existsSync(join("/usr/share/gocode/src", name))) return `Debian's Go sources of ${name} are not installed`;
  }
  const folder = labCache(NAME);
  // Test files that start side by side build it once.
  const script = join(import.meta.dirname, "build-vcsim.sh");
  const build = spawnSync(
    "flock",
    [join(folder, "lock"), "sh", "-c", '[ -x "$1/govc" ] || exec "$0" "$1"', script, folder],
    {
      encoding: "utf8",
      timeout: BUILD_MS,
    },
  );
  return built() ? null : `vcsim could not be built: ${(build.stderr || String(build.error ?? "")).trim().slice(-300)}`;
}

export interface VcsimModel {
  readonly kind: "esx" | "vpx";
  readonly clusters?: number;
  readonly hosts?: number;
  /** In each cluster and on each host outside of one. */
  readonly vms?: number;
  readonly datastores?: number;
  /** Datastore clusters, empty at first. */
  readonly pods?: number;
  /** Speaks TLS with a certificate of its own; else plain HTTP, for a proxy before it. */
  readonly tls?: boolean;
}

export interface Vcsim {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

export async function startVcsim(model: VcsimModel): Promise<Vcsim> {
  // Its datastores are folders in TMPDIR, and the names of their disks are what tests look for.
  const folder = mkdtempSync(join(tmpdir(), "supravisor-vcsim-"));
  const port = await freePort();
  const user = "administrator@vsphere.local";
  const password = "Lab & <secret> 'quoted'";
  const child: ChildProcess = spawn(
    vcsimProgram("vcsim"),
    [
      "-l",
      `127.0.0.1:${port}`,
      "-username",
      user,
      "-password",
      password,
      ...(model.tls === true ? [] : ["-tls=false"]),
      ...(model.kind === "esx"
        ? ["-esx"]
        : ["-cluster", String(model.clusters ?? 1), "-host", String(model.hosts ?? 1)]),
      ...(model.vms === undefined ? [] : ["-vm", String(model.vms)]),
      ...(model.datastores === undefined ? [] : ["-ds", String(model.datastores)]),
      ...(model.pods === undefined ? [] : ["-pod", String(model.pods)]),
      "-autostart=false",
    ],
    { stdio: "ignore", env: { ...process.env, TMPDIR: folder } },
  );
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const until = Date.now() + START_MS;
  for (;;) {
    const scheme = model.tls === true ? "https" : "http";
    if (spawnSync("curl", ["-sk", "-o", "/dev/null", `${scheme}://127.0.0.1:${port}/about`]).status === 0) break;
    if (child.exitCode !== null || Date.now() > until) {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
      throw new Error(`vcsim did not start (exit code ${child.exitCode})`);
    }
    await delay(100);
  }
  return {
    port,
    user,
    password,
    async stop() {
      child.kill("SIGKILL");
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Runs govc against a server and answers what it printed. */
export function govc(
  url: { port: number; user: string; password: string },
  args: readonly string[],
  input?: string,
): string {
  return execFileSync(vcsimProgram("govc"), [...args], {
    encoding: "utf8",
    stdio: ["pipe", "pipe", "pipe"],
    timeout: 120_000,
    maxBuffer: 1024 ** 3,
    ...(input === undefined ? {} : { input }),
    env: {
      ...process.env,
      GOVC_URL: `https://127.0.0.1:${url.port}/sdk`,
      GOVC_USERNAME: url.user,
      GOVC_PASSWORD: url.password,
      GOVC_INSECURE: "1",
      // Without it govc keeps sessions in the home folder and takes those of an older server.
      GOVC_PERSIST_SESSION: "false",
    },
  });
}
