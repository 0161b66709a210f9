/** Snapshots that a capture makes for itself, found again by their name. */
import { all, textAt, type Element } from "#lib/wire/soap/element.ts";
import { xml } from "#lib/wire/soap/xml-text.ts";
import { propertiesOf } from "./properties.ts";
import { ref, refOf, type Ref } from "./ref.ts";
import { runTask } from "./task.ts";
import type { CallOptions, VimClient } from "./vim-client.ts";
import { isFault, VimFault } from "./vim-fault.ts";

const nameOf = (tag: string): string => `supravisor-${tag}`;

/** `vm-42/tag`, as the ledger names it. */
export function snapshotRef(vm: string, tag: string): string {
  return `${vm}/${tag}`;
}

/** Null: the VM or the snapshot is not there. */
async function findSnapshot(client: VimClient, vm: Ref, tag: string, options: CallOptions): Promise<Ref | null> {
  let info: Element | undefined;
  try {
    info = (await propertiesOf(client, vm, ["snapshot"], options)).get("snapshot");
  } catch (error) {
    if (isFault(error, "ManagedObjectNotFound")) return null;
    throw error;
  }
  const search = (trees: readonly Element[], depth: number): Ref | null => {
    for (const tree of trees) {
      if (textAt(tree, "name") === nameOf(tag)) return refOf(tree.children.find((child) => child.name === "snapshot"));
      const below = depth < 64 ? search(all(tree, "childSnapshotList"), depth + 1) : null;
      if (below !== null) return below;
    }
    return null;
  };
  return search(all(info, "rootSnapshotList"), 0);
}

export interface TakenSnapshot {
  readonly ref: Ref;
  /** Why the guest was not asked to hold still though it should have been; null: it was, or need not be. */
  readonly notQuiesced: string | null;
}

/** Faults of a snapshot that have nothing to do with a guest that cannot come to rest. */
const NOT_THE_GUESTS = [
  "NoPermission",
  "ManagedObjectNotFound",
  "RequestCanceled",
  "TaskInProgress",
  "NoDiskSpace",
  "InvalidPowerState",
  "HostNotConnected",
];

/** Of the disks only. Quiesced when the guest's tools can do that; one that is there already is taken. */
export async function takeSnapshot(
  client: VimClient,
  vm: Ref,
  tag: string,
  quiesce: boolean,
  options: CallOptions,
): Promise<TakenSnapshot> {
  const there = await findSnapshot(client, vm, tag, options);
  if (there !== null) return { ref: there, notQuiesced: null };
  const order = (quiesced: boolean) =>
    runTask(
      client,
      "CreateSnapshot_Task",
      vm,
      xml`<name>${nameOf(tag)}</name><description>A disk is being captured. Supravisor removes this when it is done.</description><memory>false</memory><quiesce>${quiesced}</quiesce>`,
      options,
    );
  let made: Element | null;
  let notQuiesced: string | null = null;
  try {
    made = await order(quiesce);
  } catch (error) {
    // A guest that cannot hold still is taken as after a power cut.
    const isGuests = error instanceof VimFault && !NOT_THE_GUESTS.includes(error.fault);
    if (!quiesce || !isGuests) throw error;
    notQuiesced = error.message.replace(/\.$/, "");
    made = await order(false);
  }
  const found = refOf(made) ?? (await findSnapshot(client, vm, tag, options));
  return { ref: found ?? ref("VirtualMachineSnapshot", ""), notQuiesced };
}

/** Gone already is fine. What was written since goes back into the disks, which may take hours and is never broken off. */
export async function removeSnapshot(client: VimClient, resource: string, options: CallOptions): Promise<void> {
  const slash = resource.lastIndexOf("/");
  const snapshot = await findSnapshot(
    client,
    ref("VirtualMachine", resource.slice(0, slash)),
    resource.slice(slash + 1),
    options,
  );
  if (snapshot === null) return;
  try {
    await runTask(
      client,
      "RemoveSnapshot_Task",
      snapshot,
      xml`<removeChildren>false</removeChildren><consolidate>true</consolidate>`,
      { ...options, goesOn: "always" },
    );
  } catch (error) {
    if (!isFault(error, "ManagedObjectNotFound")) throw error;
  }
}
