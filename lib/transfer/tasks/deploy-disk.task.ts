/** One disk, from the library or from a VM on its host, converted while it streams into a new volume on a host. */
import { dirname } from "node:path";
import { openImageFile } from "#lib/disk/files/image-file.ts";
import { openDisk, type OpenDiskOptions } from "#lib/disk/open-disk.ts";
import type { HostConnection, HostSecret } from "#lib/domain/connection.ts";
import type { DiskSpec } from "#lib/hypervisor/adapter.ts";
import { deliverDisk, type Delivered } from "#lib/hypervisor/deliver-disk.ts";
import { lendDisk, type LentDisk } from "#lib/hypervisor/lend-disk.ts";
import { openHost } from "#lib/hypervisor/registry.ts";
import { plainFile } from "#lib/library/plain-file.ts";
import { serveTask, type TaskIO } from "../task.ts";

export interface VmDiskInput extends LentDisk {
  readonly target: HostConnection;
  readonly secret: HostSecret | null;
}

export interface DeployDiskInput {
  readonly target: HostConnection;
  readonly secret: HostSecret | null;
  readonly dataDir: string;
  readonly from:
    | { readonly image: { readonly path: string; readonly opening: Pick<OpenDiskOptions, "from" | "disk"> } }
    | { readonly vm: VmDiskInput };
  readonly spec: Omit<DiskSpec, "fileLength" | "virtualSize">;
}

export interface DeployDiskOutput extends Delivered {
  /** When the first byte could be read: the moment that the disk of a VM is of. ISO 8601. */
  readonly openedAt: string;
  /** What is to be known of the bytes, a whole sentence. */
  readonly note?: string;
}

export interface TransferReport {
  readonly done: number;
  readonly total: number;
  readonly moved: number;
  /** The disk of a VM can be read: whatever that needed on its host is there. */
  readonly opened?: true;
  /** Why the disk is kept in the data folder meanwhile; absent: it is not. */
  readonly spooled?: string;
}

type IO = TaskIO<TransferReport>;

serveTask<DeployDiskInput, DeployDiskOutput, TransferReport>((input, io) =>
  "image" in input.from ? fromImage(input, input.from.image, io) : fromVm(input, input.from.vm, io),
);

async function deliver(
  { target, secret, dataDir, spec }: DeployDiskInput,
  source: Parameters<typeof deliverDisk>[0]["source"],
  io: IO,
  said: Pick<TransferReport, "opened"> = {},
): Promise<Delivered> {
  await using adapter = await openHost(target, secret, { dataDir, signal: io.signal });
  let more: Pick<TransferReport, "opened" | "spooled"> = said;
  return await deliverDisk({
    source,
    adapter,
    spec,
    spool: { folder: dataDir, name: `deploy-${spec.name}` },
    onSpool: (reason) => {
      more = { ...more, spooled: reason };
    },
    signal: io.signal,
    onProgress: (progress) => io.progress({ ...progress, ...more }),
  });
}

async function fromImage(
  input: DeployDiskInput,
  image: { readonly path: string; readonly opening: OpenDiskOptions },
  io: IO,
): Promise<DeployDiskOutput> {
  await using file = await openImageFile(image.path, { guard: plainFile });
  await using opened = await openDisk(file, {
    ...image.opening,
    spool: { folder: dirname(image.path), name: "deploy" },
    signal: io.signal,
  });
  const openedAt = new Date().toISOString();
  return { ...(await deliver(input, { access: "random", disk: opened.disk }, io)), openedAt };
}

async function fromVm(input: DeployDiskInput, vm: VmDiskInput, io: IO): Promise<DeployDiskOutput> {
  await using host = await openHost(vm.target, vm.secret, { dataDir: input.dataDir, signal: io.signal });
  return await lendDisk(
    host,
    vm,
    async (opened, openedAt) => {
      const { size } = opened.access === "random" ? opened.disk : opened.stream;
      // Others may wait for this very word.
      io.progress({ done: 0, total: size, moved: 0, opened: true });
      const note = opened.note === undefined ? {} : { note: opened.note };
      return { ...(await deliver(input, opened, io, { opened: true })), openedAt, ...note };
    },
    io.signal,
  );
}
