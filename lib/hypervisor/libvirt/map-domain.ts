/** A domain's XML and state as the product's VM. What libvirt does not say is null, never a guess. */
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import type { DiskBus, NicModel } from "#lib/domain/hardware.ts";
import type { Vm, VmDisk, VmNic, VmSnapshot } from "#lib/domain/inventory.ts";
import { hostNetworkOf, hostNetworkRef } from "./host-network.ts";
import { all, at, parseXml, sizeAt, textAt, type Xml } from "./xml.ts";

/** virDomainState */
const STATE: Record<number, Vm["state"]> = {
  1: "running",
  2: "running",
  3: "paused",
  4: "running",
  5: "stopped",
  6: "crashed",
  7: "suspended",
};

const BUS: Record<string, DiskBus> = { virtio: "virtio", sata: "sata", ide: "ide", nvme: "nvme", xen: "xen" };
/** What a guest of this kind runs on, when it is none of full virtualisation: it has no firmware. */
const PARAVIRTUAL: Record<string, string> = { linux: "PV", xen: "PV", xenpvh: "PVH" };
const NIC: Record<string, NicModel> = {
  virtio: "virtio",
  "virtio-net": "virtio",
  e1000: "e1000",
  e1000e: "e1000e",
  rtl8139: "rtl8139",
  vmxnet3: "vmxnet3",
  netfront: "netfront",
};
const FORMAT: Record<string, SourceFormatId> = {
  raw: "raw",
  qcow2: "qcow2",
  vmdk: "vmdk",
  vpc: "vhd",
  vhdx: "vhdx",
  vdi: "vdi",
  qed: "qed",
  parallels: "parallels",
};

export const NAMESPACE = "https://supravisor.dev/ns/1";

function diskBus(disk: Xml, controllerModel: string | null): DiskBus | null {
  const bus = textAt(disk, "target", "@bus");
  if (bus === "scsi") return controllerModel === "virtio-scsi" || controllerModel === null ? "virtio-scsi" : "scsi";
  return bus === null ? null : (BUS[bus] ?? null);
}

/** Kinds that may be volumes of a pool. */
const READABLE = new Set(["file", "block", "volume"]);

function captureBlocker(disk: Xml): string | null {
  const type = textAt(disk, "@type") ?? "unknown";
  if (READABLE.has(type)) return null;
  if (type !== "network") return `The disk is of the kind “${type}”; only volumes in a storage pool can be read.`;
  const protocol = textAt(disk, "source", "@protocol") ?? "unknown";
  const how =
    protocol === "rbd"
      ? "Export it on a Ceph client (rbd export), and import the file."
      : "Copy it to a pool of files on the host (qemu-img convert) and read it from there.";
  return `QEMU reaches the disk by the network (${protocol}), and libvirt cannot fetch its bytes. ${how}`;
}

/** `rbd:pool/image`, as QEMU names it; null: it is none of the network. */
function networkSource(disk: Xml): string | null {
  const protocol = textAt(disk, "source", "@protocol");
  return protocol === null ? null : `${protocol}:${textAt(disk, "source", "@name") ?? ""}`;
}

/** The one with the lowest place in the order that devices are started from; null: the domain has no such order. */
function firstToBoot(disks: readonly Xml[]): Xml | null {
  const placed = disks
    .map((disk) => ({ disk, place: Number(textAt(disk, "boot", "@order") ?? Number.NaN) }))
    .filter(({ place }) => place >= 1)
    .sort((a, b) => a.place - b.place);
  return placed[0]?.disk ?? null;
}

function mapDisk(disk: Xml, controllerModel: string | null): VmDisk {
  const target = textAt(disk, "target", "@dev") ?? "disk";
  const pool = textAt(disk, "source", "@pool");
  const volume = textAt(disk, "source", "@volume");
  return {
    id: target,
    label: target,
    bus: diskBus(disk, controllerModel),
    source:
      textAt(disk, "source", "@file") ??
      textAt(disk, "source", "@dev") ??
      networkSource(disk) ??
      (pool === null ? null : `${pool}/${volume ?? ""}`),
    storageRef: pool,
    format: FORMAT[textAt(disk, "driver", "@type") ?? ""] ?? null,
    capacity: null,
    allocated: null,
    readOnly: at(disk, "readonly") !== undefined,
    captureBlocker: captureBlocker(disk),
  };
}

function mapNic(nic: Xml, index: number, usual: NicModel | null): VmNic {
  const onHost = hostNetworkOf(nic);
  const raw = textAt(nic, "model", "@type");
  const network =
    textAt(nic, "source", "@network") ?? textAt(nic, "source", "@bridge") ?? textAt(nic, "source", "@dev");
  return {
    id: textAt(nic, "mac", "@address") ?? `nic${index}`,
    mac: textAt(nic, "mac", "@address"),
    model: raw === null ? usual : (NIC[raw] ?? null),
    modelRaw: raw,
    networkRef: textAt(nic, "source", "@network") ?? (onHost && hostNetworkRef(onHost)),
    networkName:
      onHost?.kind === "macvtap"
        ? `${onHost.name} (macvtap)`
        : (network ?? (textAt(nic, "@type") === "user" ? "user-mode network" : null)),
    connected: textAt(nic, "link", "@state") !== "down",
    addresses: [],
  };
}

export async function mapSnapshot(text: string, signal?: AbortSignal): Promise<VmSnapshot> {
  const snapshot = await parseXml(text, "domainsnapshot", signal);
  const name = textAt(snapshot, "name") ?? "snapshot";
  const created = Number(textAt(snapshot, "creationTime"));
  return {
    id: name,
    name,
    parentId: textAt(snapshot, "parent", "name"),
    createdAt: Number.isFinite(created) && created > 0 ? new Date(created * 1000).toISOString() : null,
    state: textAt(snapshot, "state"),
    current: false,
  };
}

/** Others may keep a `vm` of their own there. */
function tagOf(domain: Xml | undefined): string | null {
  const own = all(at(domain, "metadata"), "vm").find((element) => element.ns === NAMESPACE);
  return textAt(own, "@tag");
}

export const mapState = (state: number): Vm["state"] => STATE[state] ?? "unknown";

/** Whether the guest's agent has opened its channel; null: nothing is said, or there is no channel. */
function agentOf(devices: Xml | undefined): string | null {
  const channel = all(devices, "channel").find((each) => textAt(each, "target", "@name") === "org.qemu.guest_agent.0");
  const state = textAt(channel, "target", "@state");
  return state === null ? null : state === "connected" ? "running" : "not running";
}

export async function mapDomain(
  xml: string,
  state: number,
  snapshots: readonly VmSnapshot[],
  signal?: AbortSignal,
): Promise<Vm> {
  const domain = await parseXml(xml, "domain", signal);
  const devices = at(domain, "devices");
  const scsi = all(devices, "controller").find((controller) => textAt(controller, "@type") === "scsi");
  const os = at(domain, "os");
  const loader = textAt(os, "loader", "@type") ?? null;
  const uefi = textAt(os, "@firmware") === "efi" || loader === "pflash";
  const paravirtual = PARAVIRTUAL[textAt(os, "type") ?? ""];
  const machine = paravirtual ?? textAt(os, "type", "@machine");
  const disks = all(devices, "disk").filter((disk) => (textAt(disk, "@device") ?? "disk") === "disk");
  const first = firstToBoot(disks);
  const features = all(at(os, "firmware"), "feature");
  const feature = (name: string): string | null =>
    textAt(
      features.find((each) => textAt(each, "@name") === name),
      "@enabled",
    );
  // libvirt writes the loader down when the domain first starts; before that the feature says what it will be. Firmware
  // that could check signatures checks none without enrolled keys.
  const secure =
    (textAt(os, "loader", "@secure") === "yes" || feature("secure-boot") === "yes") &&
    feature("enrolled-keys") !== "no";
  return {
    kind: "vm",
    ref: textAt(domain, "uuid") ?? "",
    name: textAt(domain, "name") ?? "",
    state: mapState(state),
    cpus: Number(textAt(domain, "vcpu", "@current") ?? textAt(domain, "vcpu")) || null,
    memory: sizeAt(domain, "currentMemory") ?? sizeAt(domain, "memory"),
    firmware: paravirtual !== undefined ? null : uefi ? "uefi" : "bios",
    secureBoot: paravirtual !== undefined ? null : uefi && secure,
    guestOs: textAt(domain, "metadata", "libosinfo", "os", "@id"),
    machine,
    description: textAt(domain, "description"),
    startedAt: null,
    tools: agentOf(devices),
    disks: disks.map((disk) => ({
      ...mapDisk(disk, textAt(scsi, "@model")),
      ...(disk === first ? { boot: true } : {}),
    })),
    nics: all(devices, "interface").map((nic, index) =>
      mapNic(nic, index, paravirtual === undefined ? null : "netfront"),
    ),
    snapshots: [...snapshots],
    tag: tagOf(domain),
  };
}
