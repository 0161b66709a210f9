/** An OpenSSH server inside a VirtualBox lab: SFTP and VBoxManage see the same files, as on a real host. */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { join } from "node:path";
import type { VirtualBoxLab } from "./virtualbox.ts";

export interface VirtualBoxSshd {
  readonly port: number;
  readonly user: string;
  /** Private key in OpenSSH's form. */
  readonly clientKey: string;
  /** `SHA256:…` as ssh-keygen prints it. */
  readonly hostKey: string;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (typeof address === "object" && address !== null ? resolve(address.port) : reject()));
    });
  });
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: "127.0.0.1" });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** Ends with the lab. On the PATH of its users `VBoxManage` is Debian's wrapper, which prints a warning on stdout first. */
export async function startVirtualBoxSshd(lab: VirtualBoxLab): Promise<VirtualBoxSshd> {
  const folder = join(lab.folder, "sshd");
  mkdirSync(folder);
  for (const name of ["host", "client"])
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, name)]);
  const port = await freePort();
  writeFileSync(
    join(folder, "config"),
    [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${join(folder, "host")}`,
      `AuthorizedKeysFile ${join(folder, "client.pub")}`,
      `PidFile ${join(folder, "pid")}`,
      "PasswordAuthentication yes",
      "PermitRootLogin yes",
      "StrictModes no",
      "UsePAM no",
      "Subsystem sftp internal-sftp",
      `SetEnv ${lab.environment.join(" ")}`,
      "",
    ].join("\n"),
  );
  const [program, ...args] = lab.command("/usr/sbin/sshd", "-D", "-e", "-f", join(folder, "config"));
  spawn(program, args, { stdio: "ignore" }).unref();
  const deadline = Date.now() + 15_000;
  while (!(await answers(port))) {
    if (Date.now() > deadline) throw new Error("the VirtualBox lab's sshd does not answer");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    port,
    user: "root",
    clientKey: readFileSync(join(folder, "client"), "utf8"),
    hostKey: execFileSync("ssh-keygen", ["-lf", join(folder, "host.pub")], { encoding: "utf8" }).split(" ")[1] ?? "",
  };
}
