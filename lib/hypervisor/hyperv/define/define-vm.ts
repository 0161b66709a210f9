/** Makes a machine: the system, its memory and processors, controllers, disks, network cards, one after another. */
import type { DiskBus } from "#lib/domain/hardware.ts";
import { AppError } from "#lib/errors.ts";
import { type CimRef, flag, reference, text, texts } from "#lib/wire/wsman/cim.ts";
import { objectPath } from "#lib/wire/wsman/object-path.ts";
import type { VmSpec } from "../../adapter.ts";
import { setBootOrder } from "./boot-order.ts";
import { findAdded } from "./find-added.ts";
import { noteOf, REALIZED, tagIn } from "../map-vm.ts";
import { configurationOf, type NewMachine, SERVICE } from "./new-machine.ts";
import { V2 } from "../session.ts";
import { setting, type SettingClassName, type SettingValues } from "../setting.ts";

/** Who may sign what a guest starts: Microsoft for Windows, Microsoft's UEFI authority for everybody else. */
const TEMPLATE = {
  windows: "1734c6e8-3154-4dda-ba5f-a874cc483422",
  other: "272e7447-90a4-4563-a4b9-8e4ab00526ce",
} as const;

const MiB = 1024 * 1024;
const IDE = "Microsoft:Hyper-V:Emulated IDE Controller";
const SCSI = "Microsoft:Hyper-V:Synthetic SCSI Controller";
/** Places of an IDE controller; a SCSI controller has 64. */
const PLACES: Partial<Record<DiskBus, number>> = { ide: 2, scsi: 64 };

/** Answers the new machine's id. What fails half-way leaves the machine to whoever removes it by its tag. */
export async function defineVm(machine: NewMachine): Promise<string> {
  const { session, spec, tag, signal } = machine;
  const uefi = spec.firmware === "uefi";
  const windows = spec.guest?.family === "windows";
  const output = await session.invoke(
    SERVICE,
    "DefineSystem",
    {
      SystemSettings: setting("Msvm_VirtualSystemSettingData", {
        ElementName: spec.name,
        VirtualSystemSubType: `Microsoft:Hyper-V:SubType:${uefi ? 2 : 1}`,
        Notes: [noteOf(tag, spec.description)],
        SecureBootEnabled: uefi ? spec.secureBoot : null,
        SecureBootTemplateId: uefi && spec.secureBoot ? (windows ? TEMPLATE.windows : TEMPLATE.other) : null,
      }),
    },
    `Making ${spec.name}`,
    signal,
  );
  // A host that made it by a job need not name it.
  const id = reference(output, "ResultingSystem")?.keys["Name"] ?? (await tagged(machine));
  if (id === null)
    throw new AppError("unavailable", "host.protocol", `The host made ${spec.name} and did not say which it is.`);
  await withoutAutomaticCheckpoints(machine, id);
  await setSize(machine, id);
  const drives = await attachDisks(machine, id);
  for (const nic of spec.nics) await addNic(machine, id, nic);
  await setBootOrder(machine, id, drives);
  return id;
}

/** Id of the machine that has the tag in its notes. */
async function tagged({ session, spec, tag, signal }: NewMachine): Promise<string | null> {
  const found = await session.query(
    V2,
    `SELECT * FROM Msvm_VirtualSystemSettingData WHERE VirtualSystemType = '${REALIZED}'`,
    `Looking for ${spec.name}`,
    signal,
  );
  const made = found.find((each) => tagIn(texts(each, "Notes")) === tag);
  return made === undefined ? null : text(made, "VirtualSystemIdentifier");
}

/**
 * Windows 10 and 11 make a checkpoint at each start: one that nobody asked for, whose difference disk the ledger would
 * not know. Releases before 1709 have no such property.
 */
async function withoutAutomaticCheckpoints({ session, spec, signal }: NewMachine, id: string): Promise<void> {
  const doing = `Setting up ${spec.name}`;
  const { InstanceID = "" } = configurationOf(id).keys;
  const [current] = await session.query(
    V2,
    `SELECT * FROM Msvm_VirtualSystemSettingData WHERE InstanceID = '${InstanceID}'`,
    doing,
    signal,
  );
  if (flag(current, "AutomaticSnapshotsEnabled") !== true) return;
  const settings = setting("Msvm_VirtualSystemSettingData", { InstanceID, AutomaticSnapshotsEnabled: false });
  await session.invoke(SERVICE, "ModifySystemSettings", { SystemSettings: settings }, doing, signal);
}

/** Hyper-V takes even numbers of megabytes only; more than was asked for does no harm. */
export const megabytesOf = (memory: number): number => Math.max(32, 2 * Math.ceil(memory / (2 * MiB)));

async function setSize({ session, spec, signal }: NewMachine, id: string): Promise<void> {
  const doing = `Setting up ${spec.name}`;
  const own = async (className: string): Promise<string> => {
    const [setting] = await session.query(
      V2,
      `SELECT * FROM ${className} WHERE InstanceID LIKE 'Microsoft:${id}%'`,
      doing,
      signal,
    );
    return text(setting, "InstanceID") ?? "";
  };
  const megabytes = megabytesOf(spec.memory);
  const settings = [
    setting("Msvm_ProcessorSettingData", {
      InstanceID: await own("Msvm_ProcessorSettingData"),
      VirtualQuantity: spec.cpus,
    }),
    setting("Msvm_MemorySettingData", {
      InstanceID: await own("Msvm_MemorySettingData"),
      VirtualQuantity: megabytes,
      Reservation: megabytes,
      DynamicMemoryEnabled: false,
    }),
  ];
  await session.invoke(SERVICE, "ModifyResourceSettings", { ResourceSettings: settings }, doing, signal);
}

/** Answers what was added. `before`: what of the class was added before. */
async function add<Name extends SettingClassName>(
  { session, spec, signal }: NewMachine,
  id: string,
  className: Name,
  values: SettingValues<Name>,
  { doing = `Setting up ${spec.name}`, before = [] }: { doing?: string; before?: readonly CimRef[] } = {},
): Promise<CimRef> {
  const output = await session.invoke(
    SERVICE,
    "AddResourceSettings",
    { AffectedConfiguration: configurationOf(id), ResourceSettings: [setting(className, values)] },
    doing,
    signal,
  );
  const told = reference(output, "ResultingResourceSettings");
  if (told !== null) return { ...told, namespace: V2 };
  const found = await session.query(
    V2,
    `SELECT * FROM ${className} WHERE InstanceID LIKE 'Microsoft:${id}%'`,
    doing,
    signal,
  );
  const made = findAdded(className, values, found, new Set(before.map(({ keys }) => keys["InstanceID"] ?? "")));
  if (made === null)
    throw new AppError("unavailable", "host.protocol", `${doing}: the host did not say what it has added.`);
  return made;
}

/** Paths of the controllers, in the order of their places. Generation 1 has its IDE controllers from the beginning. */
async function controllers(machine: NewMachine, id: string, bus: DiskBus, count: number): Promise<string[]> {
  const { session, computerName, spec, signal } = machine;
  if (bus === "ide") {
    const found = await session.query(
      V2,
      `SELECT * FROM Msvm_ResourceAllocationSettingData WHERE InstanceID LIKE 'Microsoft:${id}%' AND ResourceSubType = '${IDE}'`,
      `Setting up ${spec.name}`,
      signal,
    );
    return found
      .sort((a, b) => Number(text(a, "Address")) - Number(text(b, "Address")))
      .map((each) =>
        objectPath(computerName, {
          namespace: V2,
          className: "Msvm_ResourceAllocationSettingData",
          keys: { InstanceID: text(each, "InstanceID") ?? "" },
        }),
      );
  }
  const made: CimRef[] = [];
  for (let i = 0; i < count; i++) {
    made.push(
      await add(
        machine,
        id,
        "Msvm_ResourceAllocationSettingData",
        { ElementName: "SCSI Controller", ResourceType: 6, ResourceSubType: SCSI },
        { before: made },
      ),
    );
  }
  return made.map((controller) => objectPath(computerName, controller));
}

/** Answers the drives, in the order of the disks. */
async function attachDisks(machine: NewMachine, id: string): Promise<CimRef[]> {
  const { spec, computerName } = machine;
  const drives = new Map<(typeof spec.disks)[number], CimRef>();
  const byBus = new Map<DiskBus, typeof spec.disks>();
  for (const disk of spec.disks) byBus.set(disk.bus, [...(byBus.get(disk.bus) ?? []), disk]);
  for (const [bus, disks] of byBus) {
    const places = PLACES[bus] ?? 0;
    const found = await controllers(machine, id, bus, Math.ceil(disks.length / Math.max(1, places)));
    for (const [index, disk] of disks.entries()) {
      const controller = found[Math.floor(index / Math.max(1, places))];
      if (controller === undefined || places === 0) {
        throw new AppError(
          "unprocessable",
          "host.refused",
          `There is no place for ${disk.resource.label} on the bus ${bus}.`,
        );
      }
      const drive = await add(machine, id, "Msvm_ResourceAllocationSettingData", {
        ElementName: "Hard Drive",
        ResourceType: 17,
        ResourceSubType: "Microsoft:Hyper-V:Synthetic Disk Drive",
        Parent: controller,
        AddressOnParent: String(index % places),
      });
      drives.set(disk, drive);
      await add(
        machine,
        id,
        "Msvm_StorageAllocationSettingData",
        {
          ElementName: "Hard Disk Image",
          ResourceType: 31,
          ResourceSubType: "Microsoft:Hyper-V:Virtual Hard Disk",
          Parent: objectPath(computerName, drive),
          HostResource: [disk.resource.ref],
        },
        { doing: `Attaching ${disk.resource.ref} to ${spec.name}` },
      );
    }
  }
  return spec.disks.flatMap((disk) => drives.get(disk) ?? []);
}

async function addNic(machine: NewMachine, id: string, nic: VmSpec["nics"][number]): Promise<void> {
  const port = await add(machine, id, "Msvm_SyntheticEthernetPortSettingData", {
    ElementName: "Network Adapter",
    ResourceType: 10,
    ResourceSubType: "Microsoft:Hyper-V:Synthetic Ethernet Port",
    VirtualSystemIdentifiers: [`{${crypto.randomUUID()}}`],
    StaticMacAddress: nic.mac !== null,
    Address: nic.mac === null ? null : nic.mac.replaceAll(/[:-]/g, "").toUpperCase(),
  });
  await add(machine, id, "Msvm_EthernetPortAllocationSettingData", {
    ElementName: "Dynamic Ethernet Switch Port",
    ResourceType: 33,
    ResourceSubType: "Microsoft:Hyper-V:Ethernet Connection",
    Parent: objectPath(machine.computerName, port),
    HostResource: [
      objectPath(machine.computerName, {
        namespace: V2,
        className: "Msvm_VirtualEthernetSwitch",
        keys: { CreationClassName: "Msvm_VirtualEthernetSwitch", Name: nic.networkRef },
      }),
    ],
    EnabledState: 2,
  });
}
