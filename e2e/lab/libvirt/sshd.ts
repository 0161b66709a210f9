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
  stop(): void;
}

export function whyNoSshd(): string | null {
  if (process.getuid?.() !== 0) return "sshd needs root";
  return existsSync("/usr/sbin/sshd") ? null : "openssh-server is not installed";
}

export async function startSshd(): Promise<Sshd> {
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
      "",
    ].join("\n"),
  );
  const child = spawn("/usr/sbin/sshd", ["-D", "-e", "-f", join(folder, "config")], { stdio: "ignore" });
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
    stop() {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
