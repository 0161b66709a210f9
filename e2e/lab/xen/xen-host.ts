/** A real Xen host (libxl behind libvirt) in emulated QEMU: it boots for half a minute, on a busy machine for minutes. */
import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { xenFolder } from "./built.ts";

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

/** Only after `whyNoXenHost()` was null. */
export async function startXenHost(): Promise<XenHostMachine> {
  const folder = xenFolder();
  const port = 22_000 + Math.floor(Math.random() * 10_000);
  const machine = spawn(join(import.meta.dirname, "run.sh"), [folder, String(port)], { stdio: "ignore" });
  const key = join(folder, "host", "client");
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
        execFileSync("ssh-keygen", ["-lf", join(folder, "host", "host.pub")], { encoding: "utf8" }).split(" ")[1] ?? "",
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
