import type { StoragePool } from "#lib/domain/inventory.ts";
import { sortByText } from "#lib/wire/sort-in-slices.ts";
import type { LibvirtClient } from "../client.ts";
import { LibvirtError } from "../libvirt-error.ts";
import { BLOCK_FORMATS, poolKind } from "../storage/pool-kinds.ts";
import { sideBySide } from "./side-by-side.ts";
import type { NamedRef } from "../types.ts";
import { parseXml, textAt } from "../xml.ts";

type Asked = Pick<LibvirtClient, "pools" | "poolXml" | "poolInfo">;

/** Null: it was removed in the meantime. */
export async function readPool(
  client: Asked,
  pool: NamedRef,
  active: boolean,
  signal?: AbortSignal,
): Promise<StoragePool | null> {
  try {
    const xml = await parseXml(await client.poolXml(pool, signal), "pool", signal);
    const info = active ? await client.poolInfo(pool, signal) : null;
    const type = textAt(xml, "@type") ?? "unknown";
    const kind = poolKind(type);
    const writable = active && kind.whyNoNew === null;
    return {
      kind: "pool",
      ref: pool.name,
      name: pool.name,
      type,
      capacity: info?.capacity ?? null,
      free: info?.available ?? null,
      path: textAt(xml, "target", "path"),
      active,
      writable,
      whyNotWritable: writable
        ? null
        : active
          ? `The pool ${pool.name} (${type}) takes no new disks: ${kind.whyNoNew}.`
          : `The pool ${pool.name} is not active.`,
      ...(kind.bytes === "block" ? { diskFormats: [...BLOCK_FORMATS] } : {}),
      ...(kind.thick ? { thick: true } : {}),
    };
  } catch (error) {
    if (error instanceof LibvirtError) return null;
    throw error;
  }
}

export async function readPools(client: Asked, signal?: AbortSignal): Promise<StoragePool[]> {
  const [active, inactive] = await Promise.all([client.pools(true, signal), client.pools(false, signal)]);
  const pools = [
    ...(await sideBySide(active, (pool) => readPool(client, pool, true, signal))),
    ...(await sideBySide(inactive, (pool) => readPool(client, pool, false, signal))),
  ];
  return sortByText(
    pools.filter((pool) => pool !== null),
    ({ name }) => name,
    signal,
  );
}
