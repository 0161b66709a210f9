/** The virtual devices of a VM in the product's words. */
import type { DiskBus, NicModel } from "#lib/domain/hardware.ts";
import type { VmDisk, VmNic } from "#lib/domain/inventory.ts";
import { all, at, flagAt, numberAt, textAt, type Element } from "#lib/wire/soap/element.ts";
import type { Infrastructure } from "./infrastructure.ts";

export const CONTROLLER_BUS: Readonly<Record<string, DiskBus>> = {
  VirtualIDEController: "ide",
  VirtualAHCIController: "sata",
  VirtualSATAController: "sata",
  ParaVirtualSCSIController: "pvscsi",
  VirtualLsiLogicSASController: "sas",
  VirtualLsiLogicController: "scsi",
  VirtualBusLogicController: "scsi",
  VirtualNVMEController: "nvme",
};

const NIC: Readonly<Record<string, NicModel>> = {
  VirtualE1000: "e1000",
  VirtualE1000e: "e1000e",
  VirtualVmxnet3: "vmxnet3",
};
const OTHER_NICS: Readonly<Record<string, string>> = {
  VirtualPCNet32: "PCNet32",
  VirtualVmxnet: "VMXNET",
  VirtualVmxnet2: "VMXNET2",
  VirtualVmxnet3Vrdma: "PVRDMA",
  VirtualSriovEthernetCard: "SR-IOV",
};

/** Of the VM as a whole, for what may be read of its disks. */
export interface DiskSetting {
  readonly stopped: boolean;
  readonly encrypted: boolean;
  /** `connected`; anything else: the host does not reach it. */
  readonly connection: string;
  /** Key of the disk that it is told to start from. */
  readonly bootKey: string | null;
}

export function mapDisks(devices: readonly Element[], setting: DiskSetting): VmDisk[] {
  const controllers = new Map(devices.map((device) => [textAt(device, "key"), device]));
  return devices
    .filter((device) => device.type === "VirtualDisk")
    .map((disk) => mapDisk(disk, controllers.get(textAt(disk, "controllerKey")), setting));
}

function mapDisk(disk: Element, controller: Element | undefined, setting: DiskSetting): VmDisk {
  const backing = at(disk, "backing");
  const thin = flagAt(backing, "thinProvisioned");
  const mode = textAt(backing, "diskMode");
  const kilobytes = numberAt(disk, "capacityInKB");
  const key = textAt(disk, "key") ?? "";
  const words = [
    thin === null ? null : thin ? "thin" : flagAt(backing, "eagerlyScrub") === true ? "thick, zeroed" : "thick",
    mode === null || mode === "persistent" ? null : mode.replaceAll("_", " "),
  ].filter((word) => word !== null);
  return {
    id: key,
    label: textAt(disk, "deviceInfo", "label") ?? `disk ${key}`,
    bus: CONTROLLER_BUS[controller?.type ?? ""] ?? null,
    source: textAt(backing, "fileName"),
    storageRef: textAt(backing, "datastore"),
    format: "vmdk",
    capacity: numberAt(disk, "capacityInBytes") ?? (kilobytes === null ? null : kilobytes * 1024),
    allocated: null,
    readOnly: false,
    ...(key === setting.bootKey ? { boot: true } : {}),
    details: words.length === 0 ? null : words.join(", "),
    captureBlocker: captureBlocker(backing, controller, setting),
  };
}

function captureBlocker(
  backing: Element | undefined,
  controller: Element | undefined,
  setting: DiskSetting,
): string | null {
  const kind = backing?.type ?? "";
  if (setting.connection !== "connected") return `The host says that this VM is ${setting.connection}.`;
  if (kind.includes("RawDisk"))
    return "The disk is a raw device of the storage (RDM); copy it into a virtual disk first.";
  if (setting.encrypted || at(backing, "keyId") !== undefined)
    return "The disk is encrypted by vSphere, which gives out no encrypted disks. Decrypt the VM first.";
  const bus = textAt(controller, "sharedBus");
  if (textAt(backing, "sharing") === "sharingMultiWriter" || (bus !== null && bus !== "noSharing"))
    return "The disk is shared with other VMs, which may write to it meanwhile.";
  if ((textAt(backing, "diskMode") ?? "").startsWith("independent") && !setting.stopped)
    return "The disk is independent: snapshots leave it out, so it can be read while the VM is stopped only.";
  return null;
}

export function mapNics(devices: readonly Element[], guestNet: Element | undefined, infra: Infrastructure): VmNic[] {
  // The guest says these, and as many as it likes; the first of a card counts.
  const told = new Map<string | null, Element>();
  for (const each of all(guestNet, "GuestNicInfo")) {
    const key = textAt(each, "deviceConfigId");
    if (!told.has(key)) told.set(key, each);
  }
  return devices
    .filter((device) => device.type !== null && (device.type in NIC || device.type in OTHER_NICS))
    .map((nic) => {
      const key = textAt(nic, "key") ?? "";
      const guest = told.get(key);
      const backing = at(nic, "backing");
      const networkRef = textAt(backing, "port", "portgroupKey") ?? textAt(backing, "network");
      const model = NIC[nic.type ?? ""] ?? null;
      return {
        id: key,
        mac: textAt(nic, "macAddress"),
        model,
        modelRaw: model === null ? (OTHER_NICS[nic.type ?? ""] ?? nic.type) : nic.type,
        networkRef,
        networkName: infra.networks.get(networkRef ?? "")?.name ?? textAt(backing, "deviceName"),
        connected: flagAt(nic, "connectable", "connected") ?? flagAt(nic, "connectable", "startConnected") ?? true,
        addresses: all(guest, "ipAddress").map((address) => address.text),
      };
    });
}
