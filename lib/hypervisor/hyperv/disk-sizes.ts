/** Sizes of disk files, which change so slowly that asking every ten minutes is enough. */
import { type CimRef, text } from "#lib/wire/wsman/cim.ts";
import { readEmbedded } from "#lib/wire/wsman/embedded.ts";
import type { DiskSize } from "./machine-facts.ts";
import { type HypervSession, V2 } from "./session.ts";

const FRESH_MS = 600_000;
const CLASS = "Msvm_ImageManagementService";
const IMAGES: CimRef = { namespace: V2, className: CLASS, keys: { CreationClassName: CLASS } };

export class DiskSizes {
  readonly #known = new Map<string, DiskSize & { at: number }>();

  /** By path in lower case; a file that the host cannot read now is left out. */
  async of(
    session: HypervSession,
    paths: readonly string[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, DiskSize>> {
    const sizes = new Map<string, DiskSize>();
    for (const path of paths) {
      const key = path.toLowerCase();
      const known = this.#known.get(key);
      if (known !== undefined && Date.now() - known.at < FRESH_MS) {
        sizes.set(key, known);
        continue;
      }
      const size = await read(session, path, signal);
      if (size === null) continue;
      this.#known.set(key, { ...size, at: Date.now() });
      sizes.set(key, size);
    }
    return sizes;
  }
}

async function read(session: HypervSession, path: string, signal?: AbortSignal): Promise<DiskSize | null> {
  const ask = async (method: string, output: string, property: string): Promise<number | null> => {
    try {
      const answer = await session.invoke(IMAGES, method, { Path: path }, `Reading ${path}`, signal);
      const told = text(answer, output);
      const size = Number(told === null ? NaN : readEmbedded(told)?.values.get(property)?.[0]);
      return Number.isSafeInteger(size) && size > 0 ? size : null;
    } catch {
      signal?.throwIfAborted();
      return null;
    }
  };
  const capacity = await ask("GetVirtualHardDiskSettingData", "SettingData", "MaxInternalSize");
  if (capacity === null) return null;
  return { capacity, allocated: await ask("GetVirtualHardDiskState", "State", "FileSize") };
}
