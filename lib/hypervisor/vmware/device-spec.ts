/** Devices of a new VM as vSphere's device changes. Negative keys stand for devices that the same change makes. */
import type { DiskBus, NicModel } from "#lib/domain/hardware.ts";
import { AppError } from "#lib/errors.ts";
import { XmlText, xml } from "#lib/wire/soap/xml-text.ts";
import type { VimNetwork } from "./infrastructure.ts";
import { refXml } from "./ref.ts";

/** An element with an xsi:type; both are words of the API. */
export function typed(name: string, type: string, content: XmlText): XmlText {
  return new XmlText(`<${name} xsi:type="${type}">${content.text}</${name}>`);
}

export function deviceChange(
  operation: "add" | "edit" | "remove",
  device: XmlText,
  fileOperation: "create" | null = null,
): XmlText {
  return typed(
    "deviceChange",
    "VirtualDeviceConfigSpec",
    xml`<operation>${operation}</operation>${fileOperation === null ? null : xml`<fileOperation>${fileOperation}</fileOperation>`}${device}`,
  );
}

interface BusFacts {
  readonly controller: string;
  readonly perController: number;
  readonly controllers: number;
  readonly isScsi: boolean;
}

const BUS: Partial<Record<DiskBus, BusFacts>> = {
  pvscsi: { controller: "ParaVirtualSCSIController", perController: 15, controllers: 4, isScsi: true },
  sas: { controller: "VirtualLsiLogicSASController", perController: 15, controllers: 4, isScsi: true },
  scsi: { controller: "VirtualLsiLogicController", perController: 15, controllers: 4, isScsi: true },
  sata: { controller: "VirtualAHCIController", perController: 30, controllers: 4, isScsi: false },
  nvme: { controller: "VirtualNVMEController", perController: 15, controllers: 4, isScsi: false },
  // Every VM has its two IDE controllers from the beginning.
  ide: { controller: "VirtualIDEController", perController: 2, controllers: 2, isScsi: false },
};
/** A SCSI controller sits on its own bus. */
const SCSI_OWN_UNIT = 7;
const IDE_KEY = 200;

export interface Slot {
  readonly controllerKey: number;
  readonly unit: number;
}

/** Controllers for disks on these buses, in order, and the place of each disk. SCSI controllers of all kinds share their numbers. Throws `host.refused`. */
export function controllersFor(buses: readonly DiskBus[]): {
  readonly changes: readonly XmlText[];
  readonly slots: readonly Slot[];
} {
  const changes: XmlText[] = [];
  const made = new Map<string, number>();
  const numbers = new Map<string, number>();
  const used = new Map<DiskBus, number>();
  const slots = buses.map((bus): Slot => {
    const facts = BUS[bus];
    if (facts === undefined) throw new AppError("unprocessable", "host.refused", `vSphere has no ${bus} disks.`);
    const count = used.get(bus) ?? 0;
    used.set(bus, count + 1);
    const number = Math.floor(count / facts.perController);
    if (number >= facts.controllers)
      throw new AppError(
        "unprocessable",
        "host.refused",
        `A VM takes ${facts.controllers * facts.perController} disks on ${bus} at most.`,
      );
    const place = count % facts.perController;
    const unit = facts.isScsi && place >= SCSI_OWN_UNIT ? place + 1 : place;
    if (bus === "ide") return { controllerKey: IDE_KEY + number, unit };
    const key = made.get(`${bus} ${number}`) ?? -(100 + made.size);
    if (!made.has(`${bus} ${number}`)) {
      made.set(`${bus} ${number}`, key);
      const family = facts.isScsi ? "scsi" : bus;
      const busNumber = numbers.get(family) ?? 0;
      if (busNumber >= facts.controllers)
        throw new AppError(
          "unprocessable",
          "host.refused",
          `A VM takes ${facts.controllers} ${facts.isScsi ? "SCSI" : bus} controllers at most.`,
        );
      numbers.set(family, busNumber + 1);
      const shared = facts.isScsi ? xml`<sharedBus>noSharing</sharedBus>` : null;
      changes.push(
        deviceChange(
          "add",
          typed("device", facts.controller, xml`<key>${key}</key><busNumber>${busNumber}</busNumber>${shared}`),
        ),
      );
    }
    return { controllerKey: key, unit };
  });
  return { changes, slots };
}

export interface DiskDevice {
  readonly key: number;
  /** That is there already; null: a new one, thin where the datastore can, which the host names. */
  readonly file: string | null;
  readonly slot: Slot;
  /** Bytes. */
  readonly capacity: number;
}

export function diskDevice({ key, file, slot, capacity }: DiskDevice): XmlText {
  // Of a file that is there the host knows how it is provisioned, and refuses another word for it.
  const thin = file === null ? xml`<thinProvisioned>true</thinProvisioned>` : null;
  const backing = typed(
    "backing",
    "VirtualDiskFlatVer2BackingInfo",
    xml`<fileName>${file ?? ""}</fileName><diskMode>persistent</diskMode>${thin}`,
  );
  return typed(
    "device",
    "VirtualDisk",
    xml`<key>${key}</key>${backing}<controllerKey>${slot.controllerKey}</controllerKey><unitNumber>${slot.unit}</unitNumber><capacityInKB>${Math.ceil(capacity / 1024)}</capacityInKB><capacityInBytes>${capacity}</capacityInBytes>`,
  );
}

/** The client's own drive, disconnected: empty until somebody puts an image in. Null: IDE disks have all places there are. */
export function cdDevice(key: number, buses: readonly DiskBus[]): XmlText | null {
  const facts = BUS.ide;
  const taken = buses.filter((bus) => bus === "ide").length;
  if (facts === undefined || taken >= facts.perController * facts.controllers) return null;
  const backing = typed(
    "backing",
    "VirtualCdromRemotePassthroughBackingInfo",
    xml`<deviceName></deviceName><exclusive>false</exclusive>`,
  );
  const controller = IDE_KEY + Math.floor(taken / facts.perController);
  return typed(
    "device",
    "VirtualCdrom",
    xml`<key>${key}</key>${backing}<connectable><startConnected>false</startConnected><allowGuestControl>true</allowGuestControl><connected>false</connected></connectable><controllerKey>${controller}</controllerKey><unitNumber>${taken % facts.perController}</unitNumber>`,
  );
}

const NIC: Partial<Record<NicModel, string>> = {
  vmxnet3: "VirtualVmxnet3",
  e1000: "VirtualE1000",
  e1000e: "VirtualE1000e",
};

/** Ranges that VMware gives addresses out of: as a fixed address a VM with one is refused when it is started. */
const RESERVED_MAC = /^00:0c:29:|^00:50:56:[4-9a-f]/i;

/** Throws `host.refused`. Asked before anything of the VM is changed. */
export function requireFixedMac(mac: string | null): void {
  if (mac === null || !RESERVED_MAC.test(mac)) return;
  throw new AppError(
    "unprocessable",
    "host.refused",
    `vSphere takes no ${mac} as the fixed address of a network adapter: it gives such addresses out itself.`,
    { hint: "Leave the address to vSphere, or choose one below 00:50:56:40:00:00 or of another manufacturer." },
  );
}

/** `opaque`: id and type of a network that NSX made. */
export function nicDevice(
  key: number,
  model: NicModel,
  network: VimNetwork,
  opaque: { readonly id: string; readonly type: string } | null,
  mac: string | null,
): XmlText {
  const type = NIC[model];
  if (type === undefined)
    throw new AppError("unprocessable", "host.refused", `vSphere has no ${model} network adapters.`);
  requireFixedMac(mac);
  const address =
    mac === null
      ? xml`<addressType>generated</addressType>`
      : xml`<addressType>manual</addressType><macAddress>${mac}</macAddress>`;
  return typed(
    "device",
    type,
    xml`<key>${key}</key>${nicBacking(network, opaque)}<connectable><startConnected>true</startConnected><allowGuestControl>true</allowGuestControl><connected>true</connected></connectable>${address}<wakeOnLanEnabled>true</wakeOnLanEnabled>`,
  );
}

function nicBacking(network: VimNetwork, opaque: { readonly id: string; readonly type: string } | null): XmlText {
  if (network.distributed !== null) {
    const { switchUuid, key } = network.distributed;
    return typed(
      "backing",
      "VirtualEthernetCardDistributedVirtualPortBackingInfo",
      xml`<port><switchUuid>${switchUuid}</switchUuid><portgroupKey>${key}</portgroupKey></port>`,
    );
  }
  if (opaque !== null) {
    return typed(
      "backing",
      "VirtualEthernetCardOpaqueNetworkBackingInfo",
      xml`<opaqueNetworkId>${opaque.id}</opaqueNetworkId><opaqueNetworkType>${opaque.type}</opaqueNetworkType>`,
    );
  }
  return typed(
    "backing",
    "VirtualEthernetCardNetworkBackingInfo",
    xml`<deviceName>${network.name}</deviceName>${refXml("network", network.ref)}`,
  );
}

/** Takes a device off its VM; its file stays. `device`: as the host told it, by type and key. */
export function removal(
  type: string,
  key: string,
  ref: { readonly controllerKey: string | null; readonly unit: string | null },
): XmlText {
  const place = xml`${ref.controllerKey === null ? null : xml`<controllerKey>${ref.controllerKey}</controllerKey>`}${ref.unit === null ? null : xml`<unitNumber>${ref.unit}</unitNumber>`}`;
  return deviceChange("remove", typed("device", type, xml`<key>${key}</key>${place}`));
}
