/**
 * The real VirtualBox 7.2 for tests, without its kernel driver: everything but running a VM works.
 *
 *     const reason = whyNoVirtualBox();                        // null, or why the tests are skipped
 *     using lab = virtualBoxLab();                             // one a test file; 0.1 s
 *     lab.vboxManage("showmediuminfo", "disk", path);          // stdout; throws with what VBoxManage said
 *
 * Files below the machine's temporary folder (`os.tmpdir()`) have the same path inside and outside, and so has `lab.folder`.
 * Each lab has a VirtualBox of its own (settings, VBoxSVC): labs do not see one another.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { virtualBoxRoot } from "./built.ts";

export interface VirtualBoxLab extends Disposable {
  /** Work folder, removed at the end. */
  readonly folder: string;
  /** A program here that is this lab's VBoxManage. */
  readonly executable: string;
  /** VirtualBox's default machine folder. */
  readonly machineFolder: string;
  /** `NAME=value` that make a VirtualBox program one of this lab. */
  readonly environment: readonly string[];
  vboxManage(...args: string[]): string;
  /** Runs any program inside. */
  inside(...command: [string, ...string[]]): string;
  /** A command line that runs inside, for `spawn`. */
  command(...command: [string, ...string[]]): [string, ...string[]];
  stop(): void;
}

const READY_MS = 30_000;
const RUN_MS = 120_000;
const LOST_MS = 3000;

export function virtualBoxLab(): VirtualBoxLab {
  const folder = mkdtempSync(join(tmpdir(), "supravisor-vbox-"));
  const id = basename(folder);
  const root = virtualBoxRoot();
  const log = openSync(join(folder, "lab.log"), "w");
  const holder = spawn(
    "unshare",
    [
      ...["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"],
      ...[join(import.meta.dirname, "start.sh"), root, folder, tmpdir()],
    ],
    { stdio: ["pipe", log, log] },
  );
  holder.unref();
  const deadline = Date.now() + READY_MS;
  while (!existsSync(join(folder, "pid"))) {
    if (Date.now() > deadline) throw new Error(`no VirtualBox lab: ${readFileSync(join(folder, "lab.log"), "utf8")}`);
    execFileSync("sleep", ["0.02"]);
  }
  const pid = readFileSync(join(folder, "pid"), "utf8").trim();
  const machineFolder = join(folder, "machines");
  mkdirSync(machineFolder);
  mkdirSync(join(folder, "home"));
  const environment = [`VBOX_USER_HOME=${join(folder, "home")}`, `VBOX_IPC_SOCKETID=${id}`];
  const plain = ["HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ...environment];
  const enter = ["nsenter", "--target", pid, "--mount", "--pid", "--root", "--wdns=/", "--"];
  // The caller's folder when it is there inside too.
  const inOrder = `cd "$0" 2>/dev/null || cd /; exec "$@"`;
  const command = (...words: [string, ...string[]]): [string, ...string[]] => [
    ...(enter as [string, ...string[]]),
    ...["env", "-i", "LANG=C.UTF-8", ...plain, "sh", "-c", inOrder, process.cwd(), ...words],
  ];
  const inside = (...words: [string, ...string[]]): string => {
    const [program, ...args] = command(...words);
    const once = (timeout: number) =>
      spawnSync(program, args, { encoding: "utf8", timeout, maxBuffer: 64 * 1024 ** 2 });
    // VirtualBox loses a client now and then, and answers it 10 s later.
    const early = /^(list|show.*info)$/.test(words[1] ?? "") ? once(LOST_MS) : null;
    const run = early === null || early.error !== undefined ? once(RUN_MS) : early;
    if (run.status !== 0) {
      const log = join(folder, "home", "VBoxSVC.log");
      const server = /COM server/.test(run.stderr) && existsSync(log) ? readFileSync(log, "utf8").slice(-2000) : "";
      throw new Error(`${words.join(" ")} failed: ${(run.stderr || run.error?.message) ?? run.stdout}${server}`);
    }
    return run.stdout;
  };
  const executable = join(folder, "VBoxManage");
  writeFileSync(
    executable,
    `#!/bin/sh\nexec ${enter.join(" ")} env -i LANG="$LANG" LC_ALL="$LC_ALL" ${plain.join(" ")} ` +
      `sh -c '${inOrder}' "$PWD" /usr/lib/virtualbox/VBoxManage "$@"\n`,
  );
  chmodSync(executable, 0o755);
  const vboxManage = (...args: string[]) => inside("/usr/lib/virtualbox/VBoxManage", ...args);
  const stop = (): void => {
    // Its name spaces end with their first process, and all that runs and is mounted in them.
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It has ended.
    }
    spawnSync("sh", ["-c", `while kill -0 ${pid} 2>/dev/null; do sleep 0.02; done`], { timeout: 10_000 });
    rmSync(folder, { recursive: true, force: true });
    rmSync(`/tmp/.vbox-${id}-ipc`, { recursive: true, force: true });
  };
  try {
    vboxManage("setproperty", "machinefolder", machineFolder);
  } catch (error) {
    stop();
    throw error;
  }
  return { folder, executable, machineFolder, environment, vboxManage, inside, command, stop, [Symbol.dispose]: stop };
}
