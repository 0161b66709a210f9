/** Makes a machine: the system, its memory and processors, controllers, disks, network cards, one after another. */
import type { DiskBus } from "#lib/domain/hardware.ts";
import { AppError } from "#lib/errors.ts";
import { type CimRef, reference, text } from "#lib/wire/wsman/cim.ts";
import { embeddedInstance, type EmbeddedValue } from "#lib/wire/wsman/embedded.ts";
import { objectPath } from "#lib/wire/wsman/object-path.ts";
import type { VmSpec } from "../adapter.ts";
import { setBootOrder } from "./boot-order.ts";
import { noteOf } from "./map-vm.ts";
import { configurationOf, type NewMachine, SERVICE } from "./new-machine.ts";
import { V2 } from "./session.ts";

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
      SystemSettings: embeddedInstance("Msvm_VirtualSystemSettingData", {
        ElementName: ["string", spec.name],
        VirtualSystemSubType: ["string", `Microsoft:Hyper-V:SubType:${uefi ? 2 : 1}`],
        Notes: ["string", [noteOf(tag, spec.description)]],
        SecureBootEnabled: uefi ? ["boolean", spec.secureBoot] : null,
        SecureBootTemplateId: uefi && spec.secureBoot ? ["string", windows ? TEMPLATE.windows : TEMPLATE.other] : null,
      }),
    },
    `Making ${spec.name}`,
    signal,
  );
  const id = reference(output, "ResultingSystem")?.keys["Name"];
  if (id === undefined)
    throw new AppError("unavailable", "host.protocol", `The host made ${spec.name} and did not say which it is.`);
  await setSize(machine, id);
  const drives = await attachDisks(machine, id);
  for (const nic of spec.nics) await addNic(machine, id, nic);
  await setBootOrder(machine, id, drives);
  return id;
}

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
  const megabytes = Math.max(32, Math.round(spec.memory / MiB));
  const settings = [
    embeddedInstance("Msvm_ProcessorSettingData", {
      InstanceID: ["string", await own("Msvm_ProcessorSettingData")],
      VirtualQuantity: ["uint64", spec.cpus],
    }),
    embeddedInstance("Msvm_MemorySettingData", {
      InstanceID: ["string", await own("Msvm_MemorySettingData")],
      VirtualQuantity: ["uint64", megabytes],
      Reservation: ["uint64", megabytes],
      DynamicMemoryEnabled: ["boolean", false],
    }),
  ];
  await session.invoke(SERVICE, "ModifyResourceSettings", { ResourceSettings: settings }, doing, signal);
}

/** Answers what was added. */
async function add(
  { session, spec, signal }: NewMachine,
  id: string,
  className: string,
  properties: Readonly<Record<string, EmbeddedValue | null>>,
  doing = `Setting up ${spec.name}`,
): Promise<CimRef> {
  const output = await session.invoke(
    SERVICE,
    "AddResourceSettings",
    { AffectedConfiguration: configurationOf(id), ResourceSettings: [embeddedInstance(className, properties)] },
    doing,
    signal,
  );
  const made = reference(output, "ResultingResourceSettings");
  if (made === null)
    throw new AppError("unavailable", "host.protocol", `${doing}: the host did not say what it has added.`);
  return { ...made, namespace: V2 };
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
  const made: string[] = [];
  for (let i = 0; i < count; i++) {
    const controller = await add(machine, id, "Msvm_ResourceAllocationSettingData", {
      ElementName: ["string", "SCSI Controller"],
      ResourceType: ["uint16", 6],
      ResourceSubType: ["string", SCSI],
    });
    made.push(objectPath(computerName, controller));
  }
  return made;
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
        ElementName: ["string", "Hard Drive"],
        ResourceType: ["uint16", 17],
        ResourceSubType: ["string", "Microsoft:Hyper-V:Synthetic Disk Drive"],
        Parent: ["string", controller],
        AddressOnParent: ["string", String(index % places)],
      });
      drives.set(disk, drive);
      await add(
        machine,
        id,
        "Msvm_StorageAllocationSettingData",
        {
          ElementName: ["string", "Hard Disk Image"],
          ResourceType: ["uint16", 31],
          ResourceSubType: ["string", "Microsoft:Hyper-V:Virtual Hard Disk"],
          Parent: ["string", objectPath(computerName, drive)],
          HostResource: ["string", [disk.resource.ref]],
        },
        `Attaching ${disk.resource.ref} to ${spec.name}`,
      );
    }
  }
  return spec.disks.flatMap((disk) => drives.get(disk) ?? []);
}

async function addNic(machine: NewMachine, id: string, nic: VmSpec["nics"][number]): Promise<void> {
  const port = await add(machine, id, "Msvm_SyntheticEthernetPortSettingData", {
    ElementName: ["string", "Network Adapter"],
    ResourceType: ["uint16", 10],
    ResourceSubType: ["string", "Microsoft:Hyper-V:Synthetic Ethernet Port"],
    VirtualSystemIdentifiers: ["string", [`{${crypto.randomUUID()}}`]],
    StaticMacAddress: ["boolean", nic.mac !== null],
    Address: nic.mac === null ? null : ["string", nic.mac.replaceAll(/[:-]/g, "").toUpperCase()],
  });
  await add(machine, id, "Msvm_EthernetPortAllocationSettingData", {
    ElementName: ["string", "Dynamic Ethernet Switch Port"],
    ResourceType: ["uint16", 33],
    ResourceSubType: ["string", "Microsoft:Hyper-V:Ethernet Connection"],
    Parent: ["string", objectPath(machine.computerName, port)],
    HostResource: [
      "string",
      [
        objectPath(machine.computerName, {
          namespace: V2,
          className: "Msvm_VirtualEthernetSwitch",
          keys: { CreationClassName: "Msvm_VirtualEthernetSwitch", Name: nic.networkRef },
        }),
      ],
    ],
    EnabledState: ["uint16", 2],
  });
}
