/** Members, storage repositories and networks of a pool as the product's host, pools and networks. */
import type { HostFacts, Network, StoragePool } from "#lib/domain/inventory.ts";
import type { Mirror } from "./mirror.ts";
import type { RecordOf } from "./records.ts";

/** Kinds that allot space as it is written. */
const THIN = new Set(["ext", "nfs", "smb", "cifs", "file", "xfs", "zfs", "gfs2", "largeblock"]);

/** Sizes of −1 mean that nobody knows. */
const known = (value: number): number | null => (Number.isSafeInteger(value) && value >= 0 ? value : null);

export function thePool(mirror: Mirror): RecordOf<"pool"> | null {
  return mirror.entries("pool")[0]?.[1] ?? null;
}

function sum(values: readonly (number | null)[]): number | null {
  const told = values.filter((value) => value !== null);
  return told.length === 0 ? null : told.reduce((total, value) => total + value, 0);
}

export function liveHosts(mirror: Mirror): [string, RecordOf<"host">][] {
  return mirror.entries("host").filter(([, host]) => mirror.find("host_metrics", host.metrics)?.live ?? false);
}

/** Cores in the smallest processor of the running members; 0: unknown. */
export function smallestSocket(mirror: Mirror): number {
  const cores = liveHosts(mirror).map(([, { cpu_info: info }]) =>
    Math.floor(Number(info["cpu_count"]) / Number(info["socket_count"])),
  );
  const told = cores.filter((each) => Number.isSafeInteger(each) && each > 0);
  return told.length === 0 ? 0 : Math.min(...told);
}

/** The pool as one host: what its running members have together. */
export function mapHost(mirror: Mirror): HostFacts {
  const pool = thePool(mirror);
  const members = mirror.entries("host");
  const live = liveHosts(mirror).map(([, host]) => host);
  const master = mirror.find("host", pool?.master ?? "");
  const brand = master?.software_version["product_brand"] ?? "XenServer";
  const metrics = live.map((host) => mirror.find("host_metrics", host.metrics));
  const name = pool?.name_label === undefined || pool.name_label === "" ? (master?.name_label ?? "") : pool.name_label;
  return {
    kind: "host",
    ref: pool?.uuid ?? "",
    name,
    product: members.length > 1 ? `${brand} pool of ${members.length}` : brand,
    version: master?.software_version["product_version"] ?? master?.software_version["platform_version"] ?? "",
    cpus: sum(live.map((host) => known(Number(host.cpu_info["cpu_count"] ?? "-1")))),
    cpuModel: master?.cpu_info["modelname"] ?? null,
    arch: "x86_64",
    memory: sum(metrics.map((each) => (each === null ? null : known(each.memory_total)))),
    memoryFree: sum(metrics.map((each) => (each === null ? null : known(each.memory_free)))),
  };
}

export function isThin(sr: RecordOf<"SR">): boolean {
  return THIN.has(sr.type) || sr.sm_config["allocation"] === "thin";
}

export function mapRepository(mirror: Mirror, ref: string, sr: RecordOf<"SR">): StoragePool {
  const attached = mirror.reaches(ref);
  const size = known(sr.physical_size);
  const used = known(sr.physical_utilisation);
  const why = !attached
    ? `${sr.name_label} is attached to no member of the pool.`
    : sr.content_type === "iso" || sr.is_tools_sr
      ? "A library of CD images takes no disks."
      : !sr.allowed_operations.includes("vdi_create")
        ? `Repositories of the kind “${sr.type}” take no new disks.`
        : null;
  return {
    kind: "pool",
    ref: sr.uuid,
    name: sr.name_label,
    type: `${sr.type}${sr.content_type === "iso" ? "" : isThin(sr) ? ", thin" : ", thick"}`,
    // An ISO library over the network tells no size.
    capacity: size === 0 ? null : size,
    free: size === null || size === 0 || used === null ? null : Math.max(0, size - used),
    path: null,
    active: attached,
    writable: why === null,
    whyNotWritable: why,
  };
}

/** Null: the members' own network for talking to their guests, which takes no VM. */
export function mapNetwork(mirror: Mirror, network: RecordOf<"network">): Network | null {
  if (network.other_config["is_host_internal_management_network"] === "true") return null;
  const pifs = network.PIFs.map((ref) => mirror.find("PIF", ref)).filter((pif) => pif !== null);
  const vlan = pifs.find((pif) => pif.VLAN >= 0)?.VLAN;
  return {
    kind: "network",
    ref: network.uuid,
    name: network.name_label,
    type: pifs.length === 0 ? "isolated" : vlan === undefined ? "bridge" : `VLAN ${vlan}`,
    active: pifs.length === 0 || pifs.some((pif) => pif.currently_attached),
    bridge: network.bridge === "" ? null : network.bridge,
  };
}
