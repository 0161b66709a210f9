/** What preflight needs to know of an image and a host, from the database. */
import { and, asc, eq, inArray, isNull, ne } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { hosts, imageDisks, images, imageVersions, inventoryItems } from "#lib/db/schema.ts";
import type { HostFacts, Network, StoragePool } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import type { PreflightHost, PreflightImage } from "#lib/preflight/context.ts";

export interface VersionFacts {
  readonly image: PreflightImage;
  readonly imageId: string;
  readonly versionId: string;
  readonly number: number;
  readonly fingerprints: readonly string[];
  /** Bytes of data over all disks. */
  readonly dataBytes: number;
}

/** Throws `image.not-found`, `image.not-ready`. */
export async function loadVersionFacts(db: Db, versionId: string): Promise<VersionFacts> {
  const [row] = await db
    .select({ version: imageVersions, image: images })
    .from(imageVersions)
    .innerJoin(images, eq(images.id, imageVersions.imageId))
    .where(eq(imageVersions.id, versionId));
  if (row === undefined) throw new AppError("not-found", "image.not-found", "There is no such version of an image.");
  if (row.version.state !== "ready") {
    throw new AppError(
      "unprocessable",
      "image.not-ready",
      `Version ${row.version.number} of ${row.image.name} is not ready.`,
      { hint: "Wait until it has been analysed." },
    );
  }
  const disks = await db
    .select()
    .from(imageDisks)
    .where(eq(imageDisks.versionId, versionId))
    .orderBy(asc(imageDisks.position));
  return {
    imageId: row.image.id,
    versionId,
    number: row.version.number,
    fingerprints: disks.map((disk) => disk.fingerprint),
    dataBytes: disks.reduce((sum, disk) => sum + disk.allocation.dataBytes, 0),
    image: {
      name: row.image.name,
      hints: row.version.hints,
      disks: disks.map((disk) => ({
        virtualSize: disk.virtualSize,
        format: disk.format,
        guest: disk.guest,
        dataBytes: disk.allocation.dataBytes,
      })),
    },
  };
}

/** `exceptVm`: a VM that does not count, since it is the one being made. Throws `host.not-found`. */
export async function loadHostFacts(db: Db, hostId: string, exceptVm?: string): Promise<PreflightHost> {
  const [row] = await db
    .select()
    .from(hosts)
    .where(and(eq(hosts.id, hostId), isNull(hosts.removedAt)));
  if (row === undefined)
    throw new AppError("not-found", "host.not-found", "There is no such host.", {
      hint: "It may have been removed in the meantime.",
    });
  const items = await db
    .select({ data: inventoryItems.data })
    .from(inventoryItems)
    .where(and(eq(inventoryItems.hostId, hostId), inArray(inventoryItems.kind, ["host", "pool", "network"])))
    .orderBy(asc(inventoryItems.name));
  // Names alone: ten thousand whole VMs would be read for nothing.
  const vms = await db
    .select({ name: inventoryItems.name })
    .from(inventoryItems)
    .where(
      and(
        eq(inventoryItems.hostId, hostId),
        eq(inventoryItems.kind, "vm"),
        exceptVm === undefined ? undefined : ne(inventoryItems.ref, exceptVm),
      ),
    );
  const data = items.map((item) => item.data);
  return {
    id: row.id,
    name: row.name,
    vendor: row.vendor,
    simulated: row.simulated,
    online: row.state === "online",
    staleSince: row.staleSince?.toISOString() ?? null,
    facts: data.find((item): item is HostFacts => item.kind === "host") ?? null,
    capabilities: row.capabilities,
    pools: data.filter((item): item is StoragePool => item.kind === "pool"),
    networks: data.filter((item): item is Network => item.kind === "network"),
    vmNames: vms.map((vm) => vm.name),
  };
}
