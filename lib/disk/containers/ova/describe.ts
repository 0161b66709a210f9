/** The descriptor of a machine: OVF 1.0 envelope. Source: DSP0243 1.1.1; elements of an item stand in the order of their schema. */
import type { NicModel } from "#lib/domain/hardware.ts";
import type { PackedMachine } from "../package.ts";
import { escapeXml } from "../xml.ts";
import { controllerOf } from "./controllers.ts";
import type { OvaOptions } from "./options.ts";
import { vboxMachine } from "./vbox-machine.ts";

export interface DescribedDisk {
  readonly file: string;
  /** Bytes of the file; of the virtual disk; of data in it. */
  readonly size: number;
  readonly capacity: number;
  readonly populated: number;
  /** VirtualBox's name for it, 36 characters. */
  readonly uuid: string;
}

const CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2";
const STREAM_OPTIMIZED = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized";
const MIB = 1_048_576;

/** CIM operating system type with VMware's word. */
const SYSTEM = {
  linux: [101, "otherLinux64Guest"],
  windows: [103, "windows9Server64Guest"],
  other: [102, "otherGuest64"],
} as const satisfies Record<PackedMachine["guest"], readonly [number, string]>;

const VMWARE_NIC: Partial<Record<NicModel, string>> = { vmxnet3: "VmxNet3", e1000: "E1000", e1000e: "E1000e" };

export function describeMachine(
  machine: PackedMachine,
  disks: readonly DescribedDisk[],
  options: Pick<OvaOptions, "target" | "hwversion"> & { readonly uuid: string },
): string {
  const vmware = options.target === "vmware";
  const [system, osType] = SYSTEM[machine.guest];
  const name = escapeXml(machine.name);
  // The standard has no word for firmware; VMware has one of its own, VirtualBox a whole description.
  const ownWords = !vmware && machine.firmware === "uefi";
  const family = vmware ? `vmx-${String(options.hwversion).padStart(2, "0")}` : "virtualbox-2.2";
  return `<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="${CIM}/CIM_ResourceAllocationSettingData" xmlns:vssd="${CIM}/CIM_VirtualSystemSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf" xmlns:vbox="http://www.virtualbox.org/ovf/machine">
  <References>
${disks.map(({ file, size }, i) => `    <File ovf:href="${escapeXml(file)}" ovf:id="file${i + 1}" ovf:size="${size}"/>`).join("\n")}
  </References>
  <DiskSection>
    <Info>Virtual disks</Info>
${disks
  .map(
    ({ capacity, populated, uuid }, i) =>
      `    <Disk ovf:capacity="${capacity}" ovf:capacityAllocationUnits="byte" ovf:diskId="vmdisk${i + 1}" ovf:fileRef="file${i + 1}" ovf:format="${STREAM_OPTIMIZED}" ovf:populatedSize="${populated}"${ownWords ? ` vbox:uuid="${uuid}"` : ""}/>`,
  )
  .join("\n")}
  </DiskSection>
${machine.nic === null ? "" : NETWORK_SECTION}  <VirtualSystem ovf:id="${name}">
    <Info>A virtual machine</Info>
    <Name>${name}</Name>
    <OperatingSystemSection ovf:id="${system}" vmw:osType="${osType}">
      <Info>The guest</Info>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>Virtual hardware</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>${name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>${family}</vssd:VirtualSystemType>
      </System>
${items(machine, disks, options).map(itemXml).join("\n")}${
  vmware
    ? `
      <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="${machine.firmware === "uefi" ? "efi" : "bios"}"/>`
    : ""
}
    </VirtualHardwareSection>
${
  ownWords
    ? vboxMachine(
        machine,
        options.uuid,
        disks.map(({ uuid }) => uuid),
      )
    : ""
}  </VirtualSystem>
</Envelope>
`;
}

const NETWORK = "VM Network";
const NETWORK_SECTION = `  <NetworkSection>
    <Info>Logical networks</Info>
    <Network ovf:name="${NETWORK}">
      <Description>The network of the machine</Description>
    </Network>
  </NetworkSection>
`;

/** Elements in the namespace of `rasd`, by name. */
type Item = Readonly<Record<string, string | number>>;

function items(
  machine: PackedMachine,
  disks: readonly DescribedDisk[],
  options: Pick<OvaOptions, "target" | "hwversion">,
): Item[] {
  const kind = controllerOf(machine.bus, options.target);
  let id = 0;
  const found: Item[] = [
    {
      AllocationUnits: "hertz * 10^6",
      Description: "Number of virtual CPUs",
      ElementName: `${machine.cpus} virtual CPU(s)`,
      InstanceID: ++id,
      ResourceType: 3,
      VirtualQuantity: machine.cpus,
    },
    {
      AllocationUnits: "byte * 2^20",
      Description: "Memory size",
      ElementName: `${Math.ceil(machine.memory / MIB)}MB of memory`,
      InstanceID: ++id,
      ResourceType: 4,
      VirtualQuantity: Math.ceil(machine.memory / MIB),
    },
  ];
  const controllers: number[] = [];
  for (let i = 0; i * kind.places.length < disks.length; i++) {
    controllers.push(++id);
    found.push({
      Address: i,
      Description: kind.label,
      ElementName: `${kind.label} ${i}`,
      InstanceID: id,
      ...(kind.subType === "" ? {} : { ResourceSubType: kind.subType }),
      ResourceType: kind.resourceType,
    });
  }
  for (const i of disks.keys()) {
    found.push({
      AddressOnParent: kind.places[i % kind.places.length] ?? 0,
      ElementName: `Hard disk ${i + 1}`,
      HostResource: `ovf:/disk/vmdisk${i + 1}`,
      InstanceID: ++id,
      Parent: controllers[Math.floor(i / kind.places.length)] ?? 0,
      ResourceType: 17,
    });
  }
  if (machine.nic !== null) {
    found.push({
      AutomaticAllocation: "true",
      Connection: NETWORK,
      ElementName: "Ethernet adapter 1",
      InstanceID: ++id,
      // Every guest has a driver for an E1000.
      ResourceSubType: (options.target === "vmware" ? VMWARE_NIC[machine.nic] : undefined) ?? "E1000",
      ResourceType: 10,
    });
  }
  return found;
}

function itemXml(item: Item): string {
  const lines = Object.entries(item).map(
    ([name, value]) => `        <rasd:${name}>${escapeXml(String(value))}</rasd:${name}>`,
  );
  return `      <Item>\n${lines.join("\n")}\n      </Item>`;
}
