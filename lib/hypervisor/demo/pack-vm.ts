/** A simulated VM as XVA, made while it is read. */
import { once } from "node:events";
import { PassThrough } from "node:stream";
import type { BlockSource } from "#lib/disk/block-source.ts";
import { writeXva } from "#lib/disk/containers/xva/write.ts";
import type { ByteSink } from "#lib/disk/io.ts";
import type { Vm } from "#lib/domain/inventory.ts";
import type { HostPackage } from "../adapter.ts";

/** `close` is called when nothing of the disks is read any more. */
export function packVm(
  vm: Vm,
  disks: readonly BlockSource[],
  close: () => Promise<void>,
  signal?: AbortSignal,
): HostPackage {
  const through = new PassThrough({ highWaterMark: 1_048_576 });
  const ended = new AbortController();
  const stop = AbortSignal.any([ended.signal, ...(signal === undefined ? [] : [signal])]);
  const writing = writeXva({
    machine: {
      name: vm.name,
      cpus: vm.cpus ?? 1,
      memory: vm.memory ?? 1024 ** 3,
      firmware: vm.firmware ?? "bios",
      bus: null,
      nic: vm.nics[0]?.model ?? null,
      guest: "other",
    },
    disks,
    sink: into(through, stop),
    options: {},
    signal: stop,
  });
  // What went wrong is told to whoever reads.
  writing.catch((error: unknown) => through.destroy(error instanceof Error ? error : new Error(String(error))));
  return {
    bytes: through,
    async [Symbol.asyncDispose]() {
      ended.abort();
      await writing.catch(() => undefined);
      through.destroy();
      await close();
    },
  };
}

/** Whoever writes uses its buffers again at once, so the stream is given copies. */
function into(through: PassThrough, signal: AbortSignal): ByteSink {
  return {
    seekable: false,
    async write(_offset, bytes) {
      if (!through.write(Buffer.from(bytes))) await once(through, "drain", { signal });
    },
    async commit() {
      through.end();
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}
