/** Disks for the tests of this folder. */
import type { BlockSource } from "#lib/disk/block-source.ts";
import type { DiskSpec, HypervisorAdapter, ResourceRef } from "../adapter.ts";
import { fillDisk } from "../fill-disk.ts";

const MiB = 1024 ** 2;

/** Bytes that nothing packs, over the whole disk; another seed, another disk. */
export function noisyDisk(size: number, seed: number): BlockSource {
  return {
    size,
    async *extents() {
      yield { offset: 0, length: size, kind: "data" };
    },
    async read(offset, into) {
      // xorshift by position, so that parts can be read in any order.
      for (let i = 0; i < into.length; i += 1) {
        let x = Math.imul(offset + i + 1, 2_654_435_761) + seed;
        x ^= x >>> 15;
        x = Math.imul(x, 2_246_822_519);
        x ^= x >>> 13;
        into[i] = x & 0xff;
      }
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

export function specOf(poolRef: string, name: string, size = 4 * MiB): DiskSpec {
  return { poolRef, name, format: "vmdk", virtualSize: size, fileLength: null, placement: {} };
}

/** Sends a noisy disk; answers what was made and what must come back. */
export async function sendNoise(
  adapter: HypervisorAdapter,
  spec: DiskSpec,
  seed: number,
  signal?: AbortSignal,
): Promise<{ resource: ResourceRef; fingerprint: string }> {
  const created = await adapter.createDisk(spec, signal);
  const { fingerprint } = await fillDisk(created, {
    disk: noisyDisk(spec.virtualSize, seed),
    to: "vmdk",
    options: { subformat: "streamOptimized" },
    ...(signal === undefined ? {} : { signal }),
  });
  return { resource: created.resource, fingerprint };
}
