/** CIM instances of virtual machines as the domain's VMs. Pure. */
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { DiskBus, PowerState } from "#lib/domain/hardware.ts";
import type { Vm, VmDisk, VmNic, VmSnapshot } from "#lib/domain/inventory.ts";
import { inSlices } from "#lib/wire/slices.ts";
import { type CimInstance, flag, number, text, texts } from "#lib/wire/wsman/cim.ts";
import { readEmbedded } from "#lib/wire/wsman/embedded.ts";
import { readObjectPath } from "#lib/wire/wsman/object-path.ts";
import { by, indexed, type IndexedFacts, lastParts, type MachineFacts, OWNER } from "./machine-facts.ts";
import { poolOf } from "./read-host.ts";

export const REALIZED = "Microsoft:Hyper-V:System:Realized";
export const CAPTURE_NAME = "Supravisor capture";
const TAG = /^supravisor-tag: ([0-9a-f-]{36})$/m;
const GUID = /^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/i;
const VIRTUAL_DISK = "Microsoft:Hyper-V:Virtual Hard Disk";
const MiB = 1024 * 1024;

/** Null: Supravisor did not make it. */
export const tagIn = (notes: readonly string[]): string | null => TAG.exec(notes.join("\n"))?.[1] ?? null;

export const noteOf = (tag: string, description: string): string => `${description}\nsupravisor-tag: ${tag}`;

const STATE: Readonly<Record<number, PowerState>> = {
  2: "running",
  3: "stopped",
  6: "suspended",
  9: "paused",
  32768: "paused",
  32769: "suspended",
};

export const isMachine = (instance: CimInstance): boolean => GUID.test(text(instance, "Name") ?? "");

const idIn = (path: string | null): string | null =>
  path === null ? null : (readObjectPath(path)?.keys["InstanceID"] ?? null);

export function formatOf(path: string): DiskFormatId | null {
  if (/\.a?vhdx$/i.test(path)) return "vhdx";
  return /\.a?vhd$/i.test(path) ? "vhd" : null;
}

/** One machine after the other, as they are taken. */
export async function* mapVms(facts: MachineFacts, signal?: AbortSignal): AsyncGenerator<Vm> {
  const found = await indexed(facts, signal);
  for await (const machine of inSlices(facts.machines, signal)) if (isMachine(machine)) yield mapVm(found, machine);
}

function mapVm(facts: IndexedFacts, machine: CimInstance): Vm {
  const id = text(machine, "Name") ?? "";
  const all = facts.systems.get(id) ?? [];
  const current = all.find((each) => text(each, "VirtualSystemType") === REALIZED);
  const [processor] = facts.own("Msvm_ProcessorSettingData", id);
  const [memory] = facts.own("Msvm_MemorySettingData", id);
  const [security] = facts.own("Msvm_SecuritySettingData", id);
  const uefi = text(current, "VirtualSystemSubType")?.endsWith(":2") === true;
  const notes = texts(current, "Notes").join("\n");
  const state = STATE[number(machine, "EnabledState") ?? 0] ?? "unknown";
  const uptime = number(machine, "OnTimeInMilliseconds") ?? 0;
  const megabytes = number(memory, "VirtualQuantity");
  const told = guestOf(facts, id);
  const name = text(machine, "ElementName") ?? id;
  const { cluster } = facts;
  return {
    kind: "vm",
    ref: id,
    name,
    state,
    location:
      cluster === null
        ? null
        : { folder: null, cluster: cluster.roles.has(name) ? cluster.name : null, node: cluster.node },
    tpm: flag(security, "TpmEnabled"),
    tools: state === "running" ? heartbeatOf(facts, id) : null,
    cpus: number(processor, "VirtualQuantity"),
    memory: megabytes === null ? null : megabytes * MiB,
    firmware: uefi ? "uefi" : "bios",
    secureBoot: uefi && flag(current, "SecureBootEnabled") === true,
    guestOs:
      told.get("OSName") === undefined ? null : [told.get("OSName"), told.get("OSVersion")].filter(Boolean).join(" "),
    machine: [
      `Generation ${uefi ? 2 : 1}`,
      text(current, "Version") === null ? null : `version ${text(current, "Version")}`,
      flag(memory, "DynamicMemoryEnabled") === true ? "dynamic memory" : null,
    ]
      .filter(Boolean)
      .join(", "),
    description: notes.replace(TAG, "").trim() || null,
    // Whole minutes: the uptime moves on all the time, the start does not.
    startedAt:
      state === "running" && uptime > 0
        ? new Date(Math.round((Date.now() - uptime) / 60_000) * 60_000).toISOString()
        : null,
    disks: mapDisks(facts, id),
    nics: mapNics(facts, id, told),
    snapshots: mapSnapshots(all, current),
    tag: tagIn([notes]),
  };
}

/** Windows tells some dozen things of itself, each in some hundred characters. */
const MOST_EXCHANGED = 256;
const LONGEST_EXCHANGED = 16_384;

/** What the guest tells of itself through the integration services. */
function guestOf(facts: IndexedFacts, id: string): ReadonlyMap<string, string> {
  const component = facts.exchangeOf.get(id)?.[0];
  const items = texts(component, "GuestIntrinsicExchangeItems")
    .slice(0, MOST_EXCHANGED)
    .flatMap((item) => {
      const instance = item.length > LONGEST_EXCHANGED ? null : readEmbedded(item);
      const name = instance?.values.get("Name")?.[0];
      const data = instance?.values.get("Data")?.[0];
      return name === undefined || data === undefined || data === "" ? [] : [[name, data] as const];
    });
  return new Map(items);
}

/** OperationalStatus of Msvm_HeartbeatComponent. */
const HEARTBEAT: Readonly<Record<string, string>> = {
  "2": "heartbeat",
  "3": "heartbeat, its integration services are of another version",
  "7": "of another version",
  "12": "heartbeat lost",
  "13": "no heartbeat yet",
};

/** Null: the guest is not asked for one. */
function heartbeatOf(facts: IndexedFacts, id: string): string | null {
  const component = facts.heartbeatOf.get(id)?.[0];
  return HEARTBEAT[texts(component, "OperationalStatus")[0] ?? ""] ?? null;
}

function mapDisks(facts: IndexedFacts, id: string): VmDisk[] {
  const resources = facts.own("Msvm_ResourceAllocationSettingData", id);
  const byId = new Map(resources.map((each) => [text(each, "InstanceID"), each]));
  const disks = facts
    .own("Msvm_StorageAllocationSettingData", id)
    .filter((each) => text(each, "ResourceSubType") === VIRTUAL_DISK);
  /** Which one of its kind each is, from 0. */
  const places = new Map<CimInstance, number>();
  for (const kind of by(resources, (each) => text(each, "ResourceSubType")).values())
    for (const [place, each] of kind.entries()) places.set(each, place);
  return disks
    .map((disk): VmDisk => {
      const drive = byId.get(idIn(text(disk, "Parent")));
      const controller = byId.get(idIn(text(drive, "Parent") ?? null));
      const kind = text(controller, "ResourceSubType") ?? "";
      const bus: DiskBus | null = kind.includes("IDE") ? "ide" : kind.includes("SCSI") ? "scsi" : null;
      const number =
        controller === undefined ? 0 : Number(text(controller, "Address")) || (places.get(controller) ?? 0);
      const source = texts(disk, "HostResource")[0] ?? null;
      const shared = texts(disk, "HostResource").length > 1;
      return {
        id: (text(disk, "InstanceID") ?? "").slice(`Microsoft:${id}\\`.length),
        label: `${bus === "ide" ? "IDE" : "SCSI"} ${number}:${text(drive, "AddressOnParent") ?? "0"}`,
        bus,
        source,
        storageRef: source === null ? null : poolOf(source),
        format: source === null ? null : formatOf(source),
        capacity: facts.sizes.get(source?.toLowerCase() ?? "")?.capacity ?? null,
        allocated: facts.sizes.get(source?.toLowerCase() ?? "")?.allocated ?? null,
        readOnly: false,
        captureBlocker:
          source === null
            ? "No file is attached to it."
            : formatOf(source) === null
              ? `${source} is a shared disk set or a disk of the host itself, which cannot be read as a file.`
              : shared
                ? "It lies in several files."
                : null,
      };
    })
    .sort((a, b) => a.label.localeCompare(b.label, "en", { numeric: true }));
}

function mapNics(facts: IndexedFacts, id: string, told: ReadonlyMap<string, string>): VmNic[] {
  const connections = by(facts.own("Msvm_EthernetPortAllocationSettingData", id), (each) => idIn(text(each, "Parent")));
  const nics = [
    ...facts.own("Msvm_SyntheticEthernetPortSettingData", id).map((nic) => ({ nic, model: "netvsc" as const })),
    ...facts.own("Msvm_EmulatedEthernetPortSettingData", id).map((nic) => ({ nic, model: "dec21140" as const })),
  ];
  return nics.map(({ nic, model }) => {
    const instanceId = text(nic, "InstanceID");
    const connection = connections.get(instanceId)?.[0];
    const networkRef = readObjectPath(texts(connection, "HostResource")[0] ?? "")?.keys["Name"] ?? null;
    const found = facts.addressesOf.get(lastParts((instanceId ?? "").slice(OWNER.length)))?.[0];
    const addresses = found === undefined && nics.length === 1 ? listed(told) : texts(found, "IPAddresses");
    return {
      id: (instanceId ?? "").slice(`Microsoft:${id}\\`.length),
      mac:
        text(nic, "Address")
          ?.replace(/(..)(?!$)/g, "$1:")
          .toLowerCase() ?? null,
      model,
      modelRaw: null,
      networkRef,
      networkName: networkRef === null ? null : (facts.networks.get(networkRef) ?? null),
      connected: networkRef !== null && number(connection, "EnabledState") !== 3,
      addresses: [...addresses],
    };
  });
}

function listed(told: ReadonlyMap<string, string>): readonly string[] {
  return ["NetworkAddressIPv4", "NetworkAddressIPv6"].flatMap((name) =>
    (told.get(name) ?? "").split(";").filter((address) => address !== ""),
  );
}

function mapSnapshots(all: readonly CimInstance[], current: CimInstance | undefined): VmSnapshot[] {
  const now = idIn(text(current, "Parent"));
  return all
    .filter((each) => each !== current)
    .map((each) => {
      const id = text(each, "InstanceID") ?? "";
      return {
        id,
        name: text(each, "ElementName") ?? id,
        parentId: idIn(text(each, "Parent")),
        createdAt: text(each, "CreationTime"),
        state: null,
        current: id === now,
      };
    });
}
