/** A domain as the VM that it is. One that vanishes while it is read is left out. */
import type { Vm, VmSnapshot } from "#lib/domain/inventory.ts";
import type { LibvirtClient } from "../client.ts";
import { isCode, LibvirtError } from "../libvirt-error.ts";
import { mapDomain, mapSnapshot, mapState } from "../map-domain.ts";
import { ERROR } from "../procedures.ts";
import { sideBySide } from "./side-by-side.ts";
import type { DiskPlaces } from "../storage/disk-places.ts";
import type { DomainRef } from "../types.ts";
import type { GuestAddresses } from "./guest-addresses.ts";

/** What its definition says. Null: it was removed in the meantime. */
export async function describeVm(client: LibvirtClient, domain: DomainRef, signal?: AbortSignal): Promise<Vm | null> {
  try {
    return await mapDomain(await client.domainXml(domain, false, signal), 0, [], signal);
  } catch (error) {
    if (error instanceof LibvirtError) return null;
    throw error;
  }
}

export interface VmReaders {
  readonly places: DiskPlaces;
  readonly addresses: GuestAddresses;
}

/** With all that its definition does not say. Null: it was removed in the meantime. */
export async function completeVm(
  client: LibvirtClient,
  domain: DomainRef,
  described: Vm,
  { places, addresses }: VmReaders,
  signal?: AbortSignal,
): Promise<Vm | null> {
  try {
    const [state, snapshotXmls] = await Promise.all([
      client.domainState(domain, signal),
      // libxl has none.
      client.snapshotXmls(domain, signal).catch((error: unknown) => {
        if (isCode(error, ERROR.noSupport)) return [];
        throw error;
      }),
    ]);
    const snapshots: VmSnapshot[] = [];
    for (const text of snapshotXmls) snapshots.push(await mapSnapshot(text, signal));
    const disks = await sideBySide(described.disks, (disk) => places.locate(disk, signal));
    const vm = { ...described, state: mapState(state), snapshots, disks };
    return { ...vm, nics: await addresses.fill(domain, vm, signal) };
  } catch (error) {
    if (error instanceof LibvirtError) return null;
    throw error;
  }
}
