/** A VM's records as the product's VM. Templates, snapshots and control domains are none. */
import type { Vm, VmDisk, VmNic, VmSnapshot } from "#lib/domain/inventory.ts";
import { keptAs } from "./image-format.ts";
import type { Mirror } from "./mirror.ts";
import { dateOf, NULL_REF, type RecordOf } from "./records.ts";

/** Keys in other_config. A copy of a VM keeps the tag but not the UUID that stands beside it. */
export const TAG_KEY = "supravisor-tag";
export const OWN_UUID_KEY = "supravisor-uuid";

const STATE: Readonly<Record<string, Vm["state"]>> = {
  Running: "running",
  Halted: "stopped",
  Paused: "paused",
  Suspended: "suspended",
};

/** Addresses of one network card that are shown. */
const MOST_ADDRESSES = 256;

const DEVICE = ["xvda", "xvdb", "xvdc", "xvdd", "xvde", "xvdf", "xvdg", "xvdh"];

export function isVm(vm: RecordOf<"VM">): boolean {
  return !vm.is_a_template && !vm.is_a_snapshot && !vm.is_control_domain;
}

/** The tag that was put in when it was made; null for all others, copies of such a VM among them. */
export function tagOf(vm: RecordOf<"VM">): string | null {
  const own = vm.other_config[OWN_UUID_KEY];
  return own !== undefined && own !== vm.uuid ? null : (vm.other_config[TAG_KEY] ?? null);
}

export function findByTag(mirror: Mirror, tag: string): [string, RecordOf<"VM">] | null {
  return mirror.entries("VM").find(([, vm]) => isVm(vm) && tagOf(vm) === tag) ?? null;
}

/** `hvm`: its firmware starts from the first disk; of a paravirtual guest a mark says which one holds the boot loader. */
function mapDisk(mirror: Mirror, vbd: RecordOf<"VBD">, hvm: boolean): VmDisk[] {
  const vdi = mirror.find("VDI", vbd.VDI);
  if (vbd.type !== "Disk" || vdi === null) return [];
  const sr = mirror.find("SR", vdi.SR);
  const reachable = mirror.reaches(vdi.SR);
  return [
    {
      id: vbd.userdevice,
      label: vbd.device !== "" ? vbd.device : (DEVICE[Number(vbd.userdevice)] ?? `disk ${vbd.userdevice}`),
      bus: "xen",
      ...(!hvm && vbd.bootable ? { boot: true } : {}),
      source: vdi.uuid,
      storageRef: sr?.uuid ?? null,
      format: sr === null ? null : keptAs(sr.type, vdi),
      capacity: vdi.virtual_size,
      allocated: vdi.physical_utilisation < 0 ? null : vdi.physical_utilisation,
      readOnly: vbd.mode === "RO" || vdi.read_only,
      captureBlocker: vdi.missing
        ? "The disk is missing from its storage repository."
        : reachable
          ? null
          : "No member of the pool reaches the storage that the disk lies on.",
    },
  ];
}

type Addresses = ReadonlyMap<string, ReadonlySet<string>>;

/** Found once for each record: many network cards, and in a hostile pool many VMs, refer to one. */
const addressesByDevice = new WeakMap<RecordOf<"VM_guest_metrics">, Addresses>();

/** Guest metrics name addresses `0/ip`, `0/ipv4/0`, `0/ipv6/1`: the first part is the device. */
function addressesOf(guest: RecordOf<"VM_guest_metrics">, device: string): string[] {
  let known = addressesByDevice.get(guest);
  if (known === undefined) {
    const found = new Map<string, Set<string>>();
    for (const [key, address] of Object.entries(guest.networks)) {
      const slash = key.indexOf("/ip");
      if (slash < 0) continue;
      const of = key.slice(0, slash);
      const addresses = found.get(of);
      if (addresses === undefined) found.set(of, new Set([address]));
      else addresses.add(address);
    }
    known = found;
    addressesByDevice.set(guest, known);
  }
  return [...(known.get(device) ?? [])].slice(0, MOST_ADDRESSES);
}

function mapNic(mirror: Mirror, vif: RecordOf<"VIF">, vm: RecordOf<"VM">): VmNic {
  const network = mirror.find("network", vif.network);
  const guest = mirror.find("VM_guest_metrics", vm.guest_metrics);
  return {
    id: vif.device,
    mac: vif.MAC,
    model: "netfront",
    modelRaw: vm.platform["nic_type"] ?? null,
    networkRef: network?.uuid ?? null,
    networkName: network?.name_label ?? null,
    connected: vm.power_state !== "Running" || vif.currently_attached,
    addresses: guest === null ? [] : addressesOf(guest, vif.device),
  };
}

function mapSnapshots(mirror: Mirror, vm: RecordOf<"VM">): VmSnapshot[] {
  return vm.snapshots.flatMap((ref) => {
    const snapshot = mirror.find("VM", ref);
    if (snapshot === null) return [];
    const parent = mirror.find("VM", snapshot.parent);
    return [
      {
        id: snapshot.uuid,
        name: snapshot.name_label,
        parentId: parent?.is_a_snapshot === true ? parent.uuid : null,
        createdAt: dateOf(snapshot.snapshot_time),
        state: snapshot.snapshot_info["power-state-at-snapshot"]?.toLowerCase() ?? null,
        current: vm.parent === ref,
      },
    ];
  });
}

/** VMs that one record of metrics is said to be of; a sound pool says it of one. */
const MOST_OWNERS = 16;

const byNumber = (a: { id: string }, b: { id: string }): number => Number(a.id) - Number(b.id);

export function mapVm(mirror: Mirror, vm: RecordOf<"VM">): Vm {
  const guest = mirror.find("VM_guest_metrics", vm.guest_metrics);
  const metrics = mirror.find("VM_metrics", vm.metrics);
  const hvm = vm.HVM_boot_policy !== "";
  const firmware = hvm ? (vm.HVM_boot_params["firmware"] === "uefi" ? "uefi" : "bios") : null;
  const state = STATE[vm.power_state] ?? "unknown";
  return {
    kind: "vm",
    ref: vm.uuid,
    name: vm.name_label,
    state,
    cpus: vm.VCPUs_at_startup,
    memory: vm.memory_dynamic_max,
    firmware,
    secureBoot: firmware === null ? null : firmware === "uefi" && vm.platform["secureboot"] === "true",
    guestOs: guest?.os_version["name"]?.split("|")[0] ?? guest?.os_version["distro"] ?? null,
    machine:
      vm.domain_type !== "" && vm.domain_type !== "unspecified" ? vm.domain_type.toUpperCase() : hvm ? "HVM" : "PV",
    description: vm.name_description === "" ? null : vm.name_description,
    startedAt: state === "stopped" || metrics === null ? null : dateOf(metrics.start_time),
    disks: vm.VBDs.flatMap((ref) => {
      const vbd = mirror.find("VBD", ref);
      return vbd === null ? [] : mapDisk(mirror, vbd, hvm);
    }).sort(byNumber),
    nics: vm.VIFs.flatMap((ref) => {
      const vif = mirror.find("VIF", ref);
      return vif === null ? [] : [mapNic(mirror, vif, vm)];
    }).sort(byNumber),
    snapshots: mapSnapshots(mirror, vm),
    tag: tagOf(vm),
  };
}

type VmsByMetrics = ReadonlyMap<string, readonly string[]>;

/** VMs by the records of metrics that they refer to, found once for however many changes. */
export function vmsByMetrics(mirror: Mirror): () => VmsByMetrics {
  let found: Map<string, string[]> | null = null;
  return () => {
    if (found !== null) return found;
    found = new Map();
    for (const [vm, { metrics, guest_metrics }] of mirror.entries("VM")) {
      for (const ref of [metrics, guest_metrics])
        found.set(ref, [...(found.get(ref)?.slice(0, MOST_OWNERS) ?? []), vm]);
    }
    return found;
  };
}

/** The VMs whose page a change of this record touches, by reference. `byMetrics`: of `vmsByMetrics`. */
export function ownersOf(
  mirror: Mirror,
  name: string,
  ref: string,
  before: unknown,
  byMetrics: () => VmsByMetrics,
): readonly string[] {
  const vmOf = (record: unknown): string[] =>
    typeof record === "object" && record !== null && "VM" in record && typeof record.VM === "string" ? [record.VM] : [];
  switch (name) {
    case "VM": {
      const origins = [mirror.find("VM", ref), before as RecordOf<"VM"> | undefined].flatMap((vm) =>
        vm?.is_a_snapshot === true && vm.snapshot_of !== NULL_REF ? [vm.snapshot_of] : [],
      );
      return [ref, ...origins];
    }
    case "VBD":
    case "VIF":
      return [...vmOf(mirror.find(name, ref)), ...vmOf(before)];
    case "VDI":
      return (mirror.find("VDI", ref)?.VBDs ?? []).flatMap((vbd) => vmOf(mirror.find("VBD", vbd)));
    case "VM_metrics":
    case "VM_guest_metrics":
      return byMetrics().get(ref) ?? [];
    default:
      return [];
  }
}
