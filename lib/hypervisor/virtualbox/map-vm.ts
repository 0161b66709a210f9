/** VirtualBox's words for a machine in ours. */
import type { DiskBus, NicModel, PowerState } from "#lib/domain/hardware.ts";
import type { Vm, VmDisk, VmNic } from "#lib/domain/inventory.ts";
import type { MachineInfo } from "./machine-readable.ts";
import { chainOf, type Media, type Medium } from "./media.ts";
import { networkOfNic } from "./networks.ts";
import type { MachineSettings } from "./settings-file.ts";

const STATE: Record<string, PowerState> = {
  poweroff: "stopped",
  saved: "suspended",
  "aborted-saved": "suspended",
  aborted: "crashed",
  gurumeditation: "crashed",
  stuck: "crashed",
  running: "running",
  starting: "running",
  stopping: "running",
  saving: "running",
  restoring: "running",
  livesnapshotting: "running",
  onlinesnapshotting: "running",
  deletingsnapshotlive: "running",
  deletingsnapshotlivepaused: "paused",
  teleporting: "running",
  paused: "paused",
  snapshotting: "stopped",
  deletingsnapshot: "stopped",
  restoringsnapshot: "stopped",
  settingup: "stopped",
};

const CONTROLLER: Record<string, DiskBus> = {
  intelahci: "sata",
  piix3: "ide",
  piix4: "ide",
  ich6: "ide",
  lsilogic: "scsi",
  buslogic: "scsi",
  lsilogicsas: "sas",
  nvme: "nvme",
  virtioscsi: "virtio-scsi",
};

const NIC: Record<string, NicModel> = {
  "82540em": "e1000",
  "82543gc": "e1000",
  "82545em": "e1000",
  "82583v": "e1000e",
  virtio: "virtio",
};
const MAX_NICS = 36;

function captureBlocker(chain: readonly Medium[] | null): string | null {
  if (chain === null) return "VirtualBox does not know a disk that this one is a difference of.";
  const bad = chain.find((each) => !each.accessible);
  if (bad !== undefined)
    return `VirtualBox cannot open ${bad.location}${bad.accessError ? `: ${bad.accessError}` : "."}`;
  if (chain.some((each) => each.encrypted)) return "The disk is encrypted; VirtualBox alone has the key.";
  if (chain.some((each) => each.formatRaw === "iSCSI")) return "The disk is an iSCSI target, not a file of this host.";
  return null;
}

function diskOf(info: MachineInfo, id: string, bus: DiskBus | null, media: Media, poolRef: string): VmDisk | null {
  const [controller, port, device] = splitId(id);
  const location = info.get(id);
  if (location === undefined || location === "none" || location === "emptydrive") return null;
  // Drives for CDs and floppies say whether they are open; so does an image that is no hard disk.
  if (info.has(`${controller}-IsEjected-${port}-${device}`)) return null;
  const uuid = info.get(`${controller}-ImageUUID-${port}-${device}`);
  const medium = uuid === undefined ? undefined : media.get(uuid);
  if (medium === undefined) return null;
  const chain = chainOf(media, medium.uuid);
  return {
    id,
    label: `${controller} ${port}:${device}`,
    bus,
    source: medium.location,
    storageRef: poolRef,
    format: medium.format,
    capacity: medium.capacity,
    allocated: (chain ?? [medium]).reduce((sum, each) => sum + (each.allocated ?? 0), 0),
    readOnly: medium.special === "immutable" || medium.special === "readonly",
    captureBlocker: captureBlocker(chain),
  };
}

const SLOT = /-(\d{1,9})-(\d{1,9})$/;

/** `SATA-0-0` is controller, port, device; the controller's name may have dashes. */
function splitId(id: string): [string, string, string] {
  const found = SLOT.exec(id);
  return found === null ? [id, "0", "0"] : [id.slice(0, found.index), found[1] ?? "0", found[2] ?? "0"];
}

/** UUID of the medium that a disk of ours is; null when there is none. */
export function mediumOf(info: MachineInfo, diskId: string): string | null {
  const [controller, port, device] = splitId(diskId);
  return info.get(`${controller}-ImageUUID-${port}-${device}`) ?? null;
}

/** What is attached to each controller, by its name, sorted by port and device. */
function slotsOf(info: MachineInfo): ReadonlyMap<string, readonly string[]> {
  const slots = new Map<string, { readonly id: string; readonly order: number }[]>();
  for (const id of info.keys()) {
    const found = SLOT.exec(id);
    if (found === null) continue;
    const name = id.slice(0, found.index);
    const slot = { id, order: Number(found[1]) * 1000 + Number(found[2]) };
    const known = slots.get(name);
    if (known === undefined) slots.set(name, [slot]);
    else known.push(slot);
  }
  return new Map(
    [...slots].map(([name, found]) => [name, found.sort((a, b) => a.order - b.order).map(({ id }) => id)]),
  );
}

function disksOf(info: MachineInfo, media: Media, poolRef: string): VmDisk[] {
  const disks: VmDisk[] = [];
  const slots = slotsOf(info);
  // A name that two controllers have says nothing of either, so it counts once.
  const seen = new Set<string>();
  for (let index = 0; ; index += 1) {
    const name = info.get(`storagecontrollername${index}`);
    if (name === undefined) return disks;
    if (seen.has(name)) continue;
    seen.add(name);
    const bus = CONTROLLER[(info.get(`storagecontrollertype${index}`) ?? "").toLowerCase()] ?? null;
    for (const id of slots.get(name) ?? []) {
      const disk = diskOf(info, id, bus, media, poolRef);
      if (disk !== null) disks.push(disk);
    }
  }
}

function macOf(text: string | undefined): string | null {
  return text === undefined || !/^[0-9A-Fa-f]{12}$/.test(text)
    ? null
    : text.toLowerCase().replaceAll(/..(?=.)/g, "$&:");
}

function nicsOf(info: MachineInfo): VmNic[] {
  const nics: VmNic[] = [];
  for (let slot = 1; slot <= MAX_NICS; slot += 1) {
    const mode = info.get(`nic${slot}`);
    if (mode === undefined || mode === "none") continue;
    const raw = info.get(`nictype${slot}`) ?? null;
    const network = networkOfNic(info, slot, mode);
    nics.push({
      id: `nic${slot}`,
      mac: macOf(info.get(`macaddress${slot}`)),
      model: NIC[(raw ?? "").toLowerCase()] ?? null,
      modelRaw: raw,
      networkRef: network.ref,
      networkName: network.name,
      connected: info.get(`cableconnected${slot}`) !== "off",
      addresses: [],
    });
  }
  return nics;
}

export interface VmSources {
  readonly uuid: string;
  /** From `list vms`, where it is not escaped; null: not asked. */
  readonly listedName: string | null;
  readonly info: MachineInfo;
  readonly settings: MachineSettings | null;
  readonly media: Media;
  readonly poolRef: string;
}

export function mapVm({ uuid, listedName, info, settings, media, poolRef }: VmSources): Vm {
  const state = STATE[(info.get("VMState") ?? "").toLowerCase()] ?? "unknown";
  const changed = Date.parse(`${info.get("VMStateChangeTime") ?? ""}Z`.replace(/ZZ$/, "Z"));
  const firmware = (info.get("firmware") ?? "").toUpperCase();
  return {
    kind: "vm",
    ref: uuid,
    name: listedName ?? info.get("name") ?? uuid,
    state,
    cpus: Number(info.get("cpus")) || null,
    memory: Number(info.get("memory")) * 1024 ** 2 || null,
    firmware: firmware === "" ? null : firmware.startsWith("EFI") ? "uefi" : "bios",
    secureBoot: firmware === "" ? null : info.get("SecureBoot") === "on",
    guestOs: info.get("ostype") ?? null,
    machine: info.get("chipset") ?? null,
    description: info.get("description")?.trim() || null,
    startedAt: state === "running" && !Number.isNaN(changed) ? new Date(changed).toISOString() : null,
    disks: disksOf(info, media, poolRef),
    nics: nicsOf(info),
    snapshots: [...(settings?.snapshots ?? [])],
    tag: settings?.tag ?? null,
  };
}
