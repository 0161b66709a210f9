/** What preflight needs to know of an image and a host, from the database. */
import { and, asc, eq, inArray, isNull, ne } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { hosts, imageDisks, images, imageVersions, inventoryItems } from "#lib/db/schema.ts";
import type { LinkedSource } from "#lib/domain/image.ts";
import type { HostFacts, Network, StoragePool, Vm } from "#lib/domain/inventory.ts";
import type { PlanSource } from "#lib/domain/request.ts";
import { toldGuest } from "#lib/domain/told-guest.ts";
import { AppError } from "#lib/errors.ts";
import { versionFaults } from "#lib/library/check/version-faults.ts";
import { storedDisk } from "#lib/library/disk-row.ts";
import type { PreflightHost, PreflightImage, PreflightSource } from "#lib/preflight/context.ts";

export interface VersionFacts {
  readonly image: PreflightImage;
  readonly imageId: string;
  readonly versionId: string;
  readonly number: number;
  /** Of the disks that were read; none of those that stay on their host. */
  readonly fingerprints: readonly string[];
  /** The VM whose disks they are; null: they lie in the library. */
  readonly source: PlanSource | null;
  /** Bytes of data over all disks; null: the host does not tell. */
  readonly dataBytes: number | null;
  /** Bytes that the guest sees, over all disks. */
  readonly virtualSize: number;
}

/** Its files are looked at as they are now. Throws `image.not-found`, `image.not-ready`, `library.foreign`. */
export async function loadVersionFacts(
  { db, dataDir }: { readonly db: Db; readonly dataDir: string },
  versionId: string,
): Promise<VersionFacts> {
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
      { hint: row.version.error?.message ?? "Wait until it has been analysed." },
    );
  }
  const { source } = row.version;
  const disks = await db
    .select()
    .from(imageDisks)
    .where(eq(imageDisks.versionId, versionId))
    .orderBy(asc(imageDisks.position));
  // What a disk takes on its host is the best guess at its data: nobody has read it.
  const held = disks.map((disk) => storedDisk(disk)?.allocation.dataBytes ?? disk.storedSize);
  return {
    imageId: row.image.id,
    versionId,
    number: row.version.number,
    fingerprints: disks.flatMap((disk) => storedDisk(disk)?.fingerprint ?? []),
    source: source.kind === "linked" ? planSource(source) : null,
    dataBytes: held.reduce<number | null>((sum, bytes) => (sum === null || bytes === null ? null : sum + bytes), 0),
    virtualSize: disks.reduce((sum, disk) => sum + disk.virtualSize, 0),
    image: {
      name: row.image.name,
      hints: row.version.hints,
      disks: disks.map((disk, index) => ({
        virtualSize: disk.virtualSize,
        format: disk.format,
        guest: disk.guest,
        dataBytes: held[index] ?? null,
        sectorBytes: sectorBytes(disk),
      })),
      source: source.kind === "linked" ? await loadSourceFacts(db, source) : null,
      faults: source.kind === "linked" ? [] : await versionFaults({ db, dataDir }, row.version, disks),
    },
  };
}

/** By the image's own word, else by where its partition table lies. */
function sectorBytes({ details, guest }: typeof imageDisks.$inferSelect): number | null {
  const told = details["logicalSectorSize"];
  return typeof told === "number" ? told : (guest?.sectorSize ?? null);
}

function planSource({ hostId, hostName, vmRef, vmName, disks }: LinkedSource): PlanSource {
  return { hostId, hostName, vmRef, vmName, diskIds: disks.map(({ id }) => id) };
}

async function loadSourceFacts(db: Db, source: LinkedSource): Promise<PreflightSource> {
  const { hostId, vmRef } = source;
  const [host] = await db
    .select()
    .from(hosts)
    .where(and(eq(hosts.id, hostId), isNull(hosts.removedAt)));
  const [item] = await db
    .select({ data: inventoryItems.data })
    .from(inventoryItems)
    .where(and(eq(inventoryItems.hostId, hostId), eq(inventoryItems.kind, "vm"), eq(inventoryItems.ref, vmRef)));
  const vm: Vm | null = item?.data.kind === "vm" ? item.data : null;
  return {
    hostName: host?.name ?? source.hostName,
    vmName: vm?.name ?? source.vmName,
    online: host?.state === "online",
    staleSince: host?.staleSince?.toISOString() ?? null,
    captureRunning: host?.capabilities?.captureRunning ?? null,
    vm,
    diskIds: source.disks.map(({ id }) => id),
    os: toldGuest(vm?.guestOs ?? source.guestOs),
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
