/** What a KVM host holds, item by item. A thing that vanishes while it is read is left out. */
import type { HostFacts, Network, StoragePool, Vm } from "#lib/domain/inventory.ts";
import type { LibvirtClient } from "../libvirt/client.ts";
import { LibvirtError } from "../libvirt/libvirt-error.ts";
import type { DomainRef, NamedRef } from "../libvirt/types.ts";
import type { KvmHost } from "./capabilities.ts";
import { mapDomain } from "./map-domain.ts";
import { at, parseXml, textAt } from "./xml.ts";

/** Kinds whose volumes are plain files that can be uploaded. */
const WRITABLE = new Set(["dir", "fs", "netfs"]);

export async function readHostFacts(client: LibvirtClient, host: KvmHost, signal?: AbortSignal): Promise<HostFacts> {
  const [name, version, node, memory] = await Promise.all([
    client.hostname(signal),
    client.libVersion(signal),
    client.nodeInfo(signal),
    client.memoryStats(signal).catch(() => new Map<string, number>()),
  ]);
  const free = memory.get("free");
  return {
    kind: "host",
    ref: name,
    name,
    product: "QEMU/KVM by libvirt",
    version: `${Math.floor(version / 1_000_000)}.${Math.floor(version / 1000) % 1000}.${version % 1000}`,
    cpus: node.cpus,
    cpuModel: host.cpuModel ?? node.model,
    arch: host.arch,
    memory: node.memory,
    // Buffers and page cache are given back when a guest wants them.
    memoryFree: free === undefined ? null : free + (memory.get("buffers") ?? 0) + (memory.get("cached") ?? 0),
  };
}

export async function readPool(
  client: LibvirtClient,
  pool: NamedRef,
  active: boolean,
  signal?: AbortSignal,
): Promise<StoragePool | null> {
  try {
    const xml = at(parseXml(await client.poolXml(pool, signal)), "pool");
    const info = active ? await client.poolInfo(pool, signal) : null;
    const type = textAt(xml, "@type") ?? "unknown";
    const writable = active && WRITABLE.has(type);
    return {
      kind: "pool",
      ref: pool.name,
      name: pool.name,
      type,
      capacity: info?.capacity ?? null,
      free: info?.available ?? null,
      path: textAt(xml, "target", "path"),
      active,
      writable,
      whyNotWritable: writable
        ? null
        : active
          ? `Pools of the kind “${type}” take no disk files.`
          : `The pool ${pool.name} is not active.`,
    };
  } catch (error) {
    if (error instanceof LibvirtError) return null;
    throw error;
  }
}

export async function readPools(client: LibvirtClient, signal?: AbortSignal): Promise<StoragePool[]> {
  const [active, inactive] = await Promise.all([client.pools(true, signal), client.pools(false, signal)]);
  const pools = await Promise.all([
    ...active.map((pool) => readPool(client, pool, true, signal)),
    ...inactive.map((pool) => readPool(client, pool, false, signal)),
  ]);
  return pools.filter((pool) => pool !== null).sort((a, b) => a.name.localeCompare(b.name));
}

async function readNetwork(
  client: LibvirtClient,
  network: NamedRef,
  active: boolean,
  signal?: AbortSignal,
): Promise<Network | null> {
  try {
    const xml = at(parseXml(await client.networkXml(network, signal)), "network");
    const mode = textAt(xml, "forward", "@mode");
    return {
      kind: "network",
      ref: network.name,
      name: network.name,
      type: at(xml, "forward") === undefined ? "isolated" : (mode ?? "nat"),
      active,
      bridge: textAt(xml, "bridge", "@name"),
    };
  } catch (error) {
    if (error instanceof LibvirtError) return null;
    throw error;
  }
}

export async function readNetworks(client: LibvirtClient, signal?: AbortSignal): Promise<Network[]> {
  const [active, inactive] = await Promise.all([client.networks(true, signal), client.networks(false, signal)]);
  const networks = await Promise.all([
    ...active.map((n) => readNetwork(client, n, true, signal)),
    ...inactive.map((n) => readNetwork(client, n, false, signal)),
  ]);
  return networks.filter((network) => network !== null).sort((a, b) => a.name.localeCompare(b.name));
}

/** Null: it was removed in the meantime. */
export async function readVm(client: LibvirtClient, domain: DomainRef, signal?: AbortSignal): Promise<Vm | null> {
  try {
    const [xml, state, snapshots] = await Promise.all([
      client.domainXml(domain, false, signal),
      client.domainState(domain, signal),
      client.snapshotXmls(domain, signal),
    ]);
    const vm = mapDomain(xml, state, snapshots);
    const disks = await Promise.all(
      vm.disks.map(async (disk) => {
        if (disk.source === null || disk.captureBlocker !== null) return disk;
        try {
          const volume = await client.volumeByPath(disk.source, signal);
          const info = await client.volumeInfo(volume, signal);
          return { ...disk, storageRef: volume.pool, capacity: info.capacity, allocated: info.physical };
        } catch (error) {
          if (error instanceof LibvirtError)
            return { ...disk, captureBlocker: "The disk is in no storage pool that libvirt knows." };
          throw error;
        }
      }),
    );
    return { ...vm, disks };
  } catch (error) {
    if (error instanceof LibvirtError) return null;
    throw error;
  }
}
