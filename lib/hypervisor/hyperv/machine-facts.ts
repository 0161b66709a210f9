/** What was read of machines, and each machine's own part of it, found without looking at what is the others'. */
import { AppError } from "#lib/errors.ts";
import { inSlices } from "#lib/wire/slices.ts";
import { type CimInstance, text } from "#lib/wire/wsman/cim.ts";

export const CLASSES = [
  "Msvm_VirtualSystemSettingData",
  "Msvm_ProcessorSettingData",
  "Msvm_MemorySettingData",
  "Msvm_ResourceAllocationSettingData",
  "Msvm_StorageAllocationSettingData",
  "Msvm_SyntheticEthernetPortSettingData",
  "Msvm_EmulatedEthernetPortSettingData",
  "Msvm_EthernetPortAllocationSettingData",
  "Msvm_SecuritySettingData",
] as const;
export type SettingClass = (typeof CLASSES)[number];

/** Bytes. */
export interface DiskSize {
  /** What the guest sees. */
  readonly capacity: number;
  /** Of the file. */
  readonly allocated: number | null;
}

/** Everything that was read of one machine or of all. */
export interface MachineFacts {
  readonly machines: readonly CimInstance[];
  readonly settings: Readonly<Record<SettingClass, readonly CimInstance[]>>;
  readonly exchange: readonly CimInstance[];
  readonly addresses: readonly CimInstance[];
  /** Names of switches, by id. */
  readonly networks: ReadonlyMap<string, string>;
  readonly heartbeats: readonly CimInstance[];
  /** By path in lower case. */
  readonly sizes: ReadonlyMap<string, DiskSize>;
  /** This host in its cluster: name of the cluster, names of its roles; null: it is in none. */
  readonly cluster: { readonly name: string; readonly roles: ReadonlySet<string>; readonly node: string } | null;
}

/** Begins the InstanceID of every setting of a machine as it is; those of checkpoints have another. */
export const OWNER = "Microsoft:";

export interface IndexedFacts extends MachineFacts {
  /** By the machine's id, its checkpoints among them. */
  readonly systems: Groups;
  readonly exchangeOf: Groups;
  readonly heartbeatOf: Groups;
  /** By the last two parts of the id of the network card. */
  readonly addressesOf: Groups;
  /** Settings of the machine as it is. Throws `host.protocol` for more than a machine can have. */
  own(className: SettingClass, id: string): readonly CimInstance[];
}

type Groups = ReadonlyMap<string | null, readonly CimInstance[]>;

/** In their order. */
export function by(list: readonly CimInstance[], keyOf: (each: CimInstance) => string | null): Groups {
  const groups = new Map<string | null, CimInstance[]>();
  for (const each of list) {
    const key = keyOf(each);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [each]);
    else known.push(each);
  }
  return groups;
}

/** `a\\b\\c` → `b\\c`: what the ids of a card and of its guest's addresses have in common. */
export const lastParts = (id: string): string => id.slice(id.lastIndexOf("\\", id.lastIndexOf("\\") - 1) + 1);

/** `Microsoft:ID` and `Microsoft:ID\\…` → ID; null: of no machine. */
function ownerOf(instance: CimInstance): string | null {
  const instanceId = text(instance, "InstanceID") ?? "";
  return instanceId.startsWith(OWNER) ? (instanceId.slice(OWNER.length).split("\\", 1)[0] ?? null) : null;
}

/** As `by`, for what was read of all machines. */
async function grouped(
  list: readonly CimInstance[],
  keyOf: (each: CimInstance) => string | null,
  signal: AbortSignal | undefined,
): Promise<Groups> {
  const groups = new Map<string | null, CimInstance[]>();
  for await (const each of inSlices(list, signal)) {
    const key = keyOf(each);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [each]);
    else known.push(each);
  }
  return groups;
}

/** Of one class. A machine has four controllers with 64 disks each, and some cards. */
const MOST_PARTS = 4096;

export async function indexed(facts: MachineFacts, signal?: AbortSignal): Promise<IndexedFacts> {
  const settings = new Map<SettingClass, Groups>();
  for (const name of CLASSES) settings.set(name, await grouped(facts.settings[name], ownerOf, signal));
  const systemOf = (each: CimInstance) => text(each, "SystemName");
  return {
    ...facts,
    systems: await grouped(
      facts.settings.Msvm_VirtualSystemSettingData,
      (each) => text(each, "VirtualSystemIdentifier"),
      signal,
    ),
    exchangeOf: await grouped(facts.exchange, systemOf, signal),
    heartbeatOf: await grouped(facts.heartbeats, systemOf, signal),
    addressesOf: await grouped(facts.addresses, (each) => lastParts(text(each, "InstanceID") ?? ""), signal),
    own(className, id) {
      const own = settings.get(className)?.get(id) ?? [];
      if (own.length <= MOST_PARTS) return own;
      throw new AppError(
        "unavailable",
        "host.protocol",
        `The host tells of ${own.length} ${className} of one machine.`,
      );
    },
  };
}
