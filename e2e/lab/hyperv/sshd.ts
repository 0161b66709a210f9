/** OpenSSH on the simulated host: a real server, whose SFTP shows its drives as the one of Windows does, `/C:/…`. */
import { chmodSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { type Sshd, startSshd, whyNoSshd } from "../libvirt/sshd.ts";
import { HypervSimulator, whyNoHyperv } from "./simulator.ts";

/** sshd locks nobody into a folder that others may write to, so /tmp will not do. */
const BASE = "/var/lib";

export const whyNoHypervSsh = (): string | null => whyNoHyperv() ?? whyNoSshd();

export interface HypervWithSsh extends AsyncDisposable {
  readonly host: HypervSimulator;
  readonly sshd: Sshd;
}

export async function startHypervWithSsh(): Promise<HypervWithSsh> {
  const host = await HypervSimulator.start(BASE);
  const drives = join(host.folder, "drives");
  chmodSync(host.folder, 0o755);
  for (const letter of ["C", "D"]) symlinkSync(letter, join(drives, `${letter}:`));
  const sshd = await startSshd(["Subsystem sftp internal-sftp", `ChrootDirectory ${drives}`]);
  return {
    host,
    sshd,
    async [Symbol.asyncDispose]() {
      sshd.stop();
      await host[Symbol.asyncDispose]();
    },
  };
}
