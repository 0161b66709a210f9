import { access, constants } from "node:fs/promises";
import { connect } from "node:net";
import type { Discovered } from "#lib/domain/host.ts";
import { authoriseLook } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";

/** Where libvirt listens: the one daemon of old, then the modular one for QEMU. */
const SOCKETS = [
  { socket: "/run/libvirt/libvirt-sock", label: "libvirt on this machine" },
  { socket: "/run/libvirt/virtqemud-sock", label: "libvirt for QEMU on this machine" },
] as const;

const TIMEOUT_MS = 2000;

/** Hypervisor sockets on the server's own machine. `paths` is for tests. */
export async function discoverHosts(
  ctx: Ctx,
  paths: readonly { socket: string; label: string }[] = SOCKETS,
): Promise<Discovered[]> {
  await authoriseLook(ctx, "host.add");
  const found = await Promise.all(paths.map(look));
  return found.filter((item) => item !== null);
}

async function look({ socket, label }: { socket: string; label: string }): Promise<Discovered | null> {
  const there = await access(socket, constants.F_OK).then(
    () => true,
    () => false,
  );
  if (!there) return null;
  const why = await knock(socket);
  return { socket, label, usable: why === null, why };
}

/** Null when somebody answers, else why not. */
function knock(socket: string): Promise<string | null> {
  return new Promise((resolve) => {
    const peer = connect({ path: socket });
    const end = (why: string | null) => {
      peer.destroy();
      resolve(why);
    };
    peer.setTimeout(TIMEOUT_MS, () => end("It does not answer."));
    peer.once("connect", () => end(null));
    peer.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EACCES") end("The account that runs Supravisor may not use it: add it to the group libvirt.");
      else if (error.code === "ECONNREFUSED") end("Nobody listens there: start libvirtd.");
      else end(`It cannot be used (${error.code ?? "unknown reason"}).`);
    });
  });
}
