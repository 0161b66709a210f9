/** A real Xen host (libxl behind libvirt) in emulated QEMU, for those who ask for it: it takes minutes. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const CACHE =
  process.env["SUPRAVISOR_LAB_CACHE"] ??
  join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "supravisor-lab");
const DIR = join(CACHE, "xen-4.17");
/** Emulated, and perhaps on a busy machine. */
const BOOT_MS = 20 * 60_000;

export interface XenHostMachine {
  readonly port: number;
  readonly clientKey: string;
  /** `SHA256:…` as ssh-keygen prints it. */
  readonly hostKey: string;
  readonly poolName: string;
  readonly bridge: string;
  /** Runs a command there. */
  run(command: string): string;
  stop(): void;
}

export function whyNoXenHost(): string | null {
  if (process.env["SUPRAVISOR_LAB_XEN"] !== "1") return "set SUPRAVISOR_LAB_XEN=1; it boots for minutes";
  if (process.getuid?.() !== 0) return "making the host needs root";
  for (const program of ["/usr/bin/qemu-system-x86_64", "/usr/bin/ssh"])
    if (!existsSync(program)) return `${program} is not installed`;
  return null;
}

export async function startXenHost(): Promise<XenHostMachine> {
  if (!existsSync(join(DIR, "host", "disk.qcow2"))) {
    mkdirSync(DIR, { recursive: true });
    execFileSync(join(import.meta.dirname, "build.sh"), [DIR], { stdio: "inherit", timeout: BOOT_MS });
  }
  const port = 22_000 + Math.floor(Math.random() * 10_000);
  const machine = spawn(join(import.meta.dirname, "run.sh"), [DIR, String(port)], { stdio: "ignore" });
  const key = join(DIR, "host", "client");
  const ssh = (command: string, timeout: number): string =>
    execFileSync(
      "ssh",
      [
        ...["-i", key, "-p", String(port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"],
        ...["-o", "LogLevel=ERROR", "-o", "ConnectTimeout=60", "root@127.0.0.1", command],
      ],
      { encoding: "utf8", stdio: "pipe", timeout },
    );
  const run = (command: string): string => ssh(command, 300_000);
  try {
    const until = Date.now() + BOOT_MS;
    for (;;) {
      try {
        ssh("virsh -q -c xen:///system list && ip link show xenbr0", 120_000);
        break;
      } catch (error) {
        if (Date.now() > until || machine.exitCode !== null) throw error;
        await delay(5000);
      }
    }
    const poolName = "images";
    run(
      `virsh -q -c xen:///system pool-define-as ${poolName} dir --target /var/lib/libvirt/images && virsh -q -c xen:///system pool-start ${poolName}`,
    );
    return {
      port,
      clientKey: readFileSync(key, "utf8"),
      hostKey:
        execFileSync("ssh-keygen", ["-lf", join(DIR, "host", "host.pub")], { encoding: "utf8" }).split(" ")[1] ?? "",
      poolName,
      bridge: "xenbr0",
      run,
      stop: () => void machine.kill("SIGKILL"),
    };
  } catch (error) {
    machine.kill("SIGKILL");
    throw error;
  }
}
