/** An OpenSSH server of its own for tests, on a high port, with one key that may come in. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Sshd {
  readonly port: number;
  /** Private key in OpenSSH's form. */
  readonly clientKey: string;
  /** `SHA256:…` as ssh-keygen prints it: a foreign word for what our client computes. */
  readonly hostKey: string;
  /** Cuts every connection; the server goes on. */
  cut(): void;
  /** Its connections stand still, or go on. */
  hang(still: boolean): void;
  /** Bytes that a file may have before the medium is full, for connections from now on; null: any. */
  limitFiles(bytes: number | null): void;
  stop(): void;
}

export function whyNoSshd(): string | null {
  if (process.getuid?.() !== 0) return "sshd needs root";
  return existsSync("/usr/sbin/sshd") ? null : "openssh-server is not installed";
}

/** Processes below this one, the farthest first. */
function below(pid: number): number[] {
  const found = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
  return [...found.flatMap(below), ...found];
}

/** `settings`: more lines of its configuration. */
export async function startSshd(settings: readonly string[] = []): Promise<Sshd> {
  const folder = mkdtempSync(join(tmpdir(), "supravisor-sshd-"));
  mkdirSync("/run/sshd", { recursive: true });
  for (const name of ["host", "client"])
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, name)]);
  writeFileSync(join(folder, "authorized"), readFileSync(join(folder, "client.pub")));
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  writeFileSync(
    join(folder, "config"),
    [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${join(folder, "host")}`,
      `AuthorizedKeysFile ${join(folder, "authorized")}`,
      `PidFile ${join(folder, "pid")}`,
      "PasswordAuthentication yes",
      "PermitRootLogin yes",
      "StrictModes no",
      "UsePAM no",
      ...settings,
      "",
    ].join("\n"),
  );
  // Whoever writes beyond a file's limit is refused then, and lives on.
  const ignoring = ["-c", 'trap "" XFSZ; exec "$@"', "sh", "/usr/sbin/sshd", "-D", "-e", "-f", join(folder, "config")];
  const child = spawn("sh", ignoring, { stdio: "ignore" });
  const { pid } = child;
  if (pid === undefined) throw new Error("sshd did not start");
  for (let i = 0; i < 100; i += 1) {
    const up = await new Promise<boolean>((resolve) => {
      const socket = createConnection({ port, host: "127.0.0.1" });
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
    if (up) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    port,
    clientKey: readFileSync(join(folder, "client"), "utf8"),
    hostKey: execFileSync("ssh-keygen", ["-lf", join(folder, "host.pub")], { encoding: "utf8" }).split(" ")[1] ?? "",
    cut() {
      for (const each of below(pid)) process.kill(each, "SIGKILL");
    },
    hang(still) {
      for (const each of below(pid)) process.kill(each, still ? "SIGSTOP" : "SIGCONT");
    },
    limitFiles(bytes) {
      execFileSync("prlimit", ["--pid", String(pid), `--fsize=${bytes ?? "unlimited"}:`]);
    },
    stop() {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
