/** A volume as bytes: read in windows at any place, written once from front to back. */
import type { ByteSink, ByteSource } from "#lib/disk/io.ts";
import { AppError } from "#lib/errors.ts";
import { readWindows } from "#lib/wire/read-windows.ts";
import type { LibvirtClient } from "../client.ts";
import { asAppError } from "../libvirt-error.ts";
import type { RpcStream } from "../rpc.ts";
import type { VolumeRef } from "../types.ts";

const ZEROS = Buffer.alloc(1024 * 1024);
const WINDOW = 4 * 1024 * 1024;
/** Memory for one open volume: 12 windows. */
const KEPT = 12;
/** Windows fetched before they are asked for, when reading goes forward. */
const AHEAD = 3;

/** Each window is one short download; neighbours are fetched ahead, so that reading in order runs at the wire's speed. */
export function volumeSource(
  client: LibvirtClient,
  volume: VolumeRef,
  { size, block }: { readonly size: number; readonly block: boolean },
): ByteSource {
  const fetch = async (index: number): Promise<Buffer> => {
    const offset = index * WINDOW;
    const length = Math.min(WINDOW, size - offset);
    const bytes = Buffer.alloc(length);
    const stream = await client.download(volume, { offset, length }, !block);
    try {
      let at = 0;
      for (let item = await stream.next(); item !== null; item = await stream.next()) {
        const count = item.type === "hole" ? item.length : item.bytes.length;
        if (at + count > length)
          throw new AppError("unavailable", "host.protocol", `${client.name} sent more than was asked for.`);
        if (item.type !== "hole") item.bytes.copy(bytes, at);
        at += count;
      }
      await stream.finish();
      // What did not come is not zeros: the file was cut meanwhile, or is shorter than its pool says.
      if (at !== length)
        throw new AppError(
          "unprocessable",
          "io.short-read",
          `${volume.name} in pool ${volume.pool} ends at byte ${offset + at}, and its size was said to be ${size}.`,
          {
            hint: `Refresh the pool on the host: virsh pool-refresh ${volume.pool}.`,
            details: { offset: offset + at, size },
          },
        );
    } catch (error) {
      stream.abort();
      throw asAppError(error, `Reading ${volume.name} from pool ${volume.pool}`);
    }
    return bytes;
  };
  const windows = readWindows({ size, window: WINDOW, kept: KEPT, ahead: AHEAD, fetch });
  return {
    size,
    async read(offset, into, signal) {
      if (offset < 0 || offset + into.length > size)
        throw new AppError("unprocessable", "io.short-read", `${volume.name} ends at ${size}.`);
      await windows.read(offset, into, signal);
    },
    [Symbol.asyncDispose]: async () => windows.clear(),
  };
}

export interface SinkTarget {
  readonly volume: VolumeRef;
  /** The size of a block device: what is on it from before has to be written over. Null: a new file, whose holes are zeros. */
  readonly device: number | null;
}

/**
 * Bytes go as they come; gaps go as holes into a file, and as zeros onto a block device. Disposing without commit
 * breaks the upload off and leaves the volume.
 */
export function volumeSink(client: LibvirtClient, stream: RpcStream, { volume, device }: SinkTarget): ByteSink {
  const doing = `Writing ${volume.name} into pool ${volume.pool} of ${client.name}`;
  let at = 0;
  let over = false;
  const skip = async (to: number, signal?: AbortSignal): Promise<void> => {
    if (to < at) throw new AppError("internal", "io.backwards", "A stream cannot go back.");
    if (device === null) {
      if (to > at) await stream.hole(to - at);
      at = to;
      return;
    }
    while (at < to) {
      signal?.throwIfAborted();
      const length = Math.min(ZEROS.length, to - at);
      await stream.write(ZEROS.subarray(0, length));
      at += length;
    }
  };
  const told = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw asAppError(error, doing);
    }
  };
  return {
    seekable: false,
    async write(offset, bytes, signal) {
      signal?.throwIfAborted();
      await told(skip(offset, signal));
      await told(stream.write(bytes));
      at += bytes.length;
    },
    async commit(length, signal) {
      // Beyond the disk's end, too: the guest must not see what the device held for another one.
      await told(skip(Math.max(length, device ?? 0), signal));
      await told(stream.finish(signal));
      over = true;
    },
    async [Symbol.asyncDispose]() {
      if (!over) stream.abort();
      over = true;
    },
  };
}
