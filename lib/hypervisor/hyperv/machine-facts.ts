/** What was read of machines, and each machine's own part of it, found without looking at what is the others'. */
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
  /** Settings of the machine as it is. */
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

export function indexed(facts: MachineFacts): IndexedFacts {
  const settings = new Map(CLASSES.map((name) => [name, by(facts.settings[name], ownerOf)]));
  return {
    ...facts,
    systems: by(facts.settings.Msvm_VirtualSystemSettingData, (each) => text(each, "VirtualSystemIdentifier")),
    exchangeOf: by(facts.exchange, (each) => text(each, "SystemName")),
    heartbeatOf: by(facts.heartbeats, (each) => text(each, "SystemName")),
    addressesOf: by(facts.addresses, (each) => lastParts(text(each, "InstanceID") ?? "")),
    own: (className, id) => settings.get(className)?.get(id) ?? [],
  };
}
