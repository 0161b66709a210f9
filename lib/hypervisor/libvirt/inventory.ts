/** What a host behind libvirt holds, item by item. A thing that vanishes while it is read is left out. */
import type { HostFacts, Network, StoragePool, Vm, VmSnapshot } from "#lib/domain/inventory.ts";
import { sortByText } from "#lib/wire/sort-in-slices.ts";
import type { LibvirtClient } from "./client.ts";
import { isCode, LibvirtError } from "./libvirt-error.ts";
import { BRIDGE_PREFIX, mapDomain, mapSnapshot } from "./map-domain.ts";
import { ERROR } from "./procedures.ts";
import type { LibvirtHost } from "./product.ts";
import { sideBySide } from "./side-by-side.ts";
import type { DomainRef, NamedRef } from "./types.ts";
import { at, parseXml, textAt } from "./xml.ts";

/** For what a driver may not know: its refusal counts as the value, a lost connection does not. */
function unlessLost<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof LibvirtError) return value;
    throw error;
  };
}

/** Kinds whose volumes are plain files that can be uploaded. */
const WRITABLE = new Set(["dir", "fs", "netfs"]);

export async function readHostFacts(
  client: LibvirtClient,
  host: LibvirtHost,
  product: string,
  signal?: AbortSignal,
): Promise<HostFacts> {
  const [name, version, node, memory, free] = await Promise.all([
    client.hostname(signal),
    client.libVersion(signal),
    client.nodeInfo(signal),
    // Not every driver tells both; libxl knows only what no domain has.
    client.memoryStats(signal).catch(unlessLost(new Map<string, number>())),
    client.freeMemory(signal).catch(unlessLost(null)),
  ]);
  const unused = memory.get("free");
  return {
    kind: "host",
    ref: name,
    name,
    product,
    version: `${Math.floor(version / 1_000_000)}.${Math.floor(version / 1000) % 1000}.${version % 1000}`,
    cpus: node.cpus,
    cpuModel: host.cpuModel ?? node.model,
    arch: host.arch,
    memory: node.memory,
    // Buffers and page cache are given back when a guest wants them.
    memoryFree: unused === undefined ? free : unused + (memory.get("buffers") ?? 0) + (memory.get("cached") ?? 0),
  };
}

export async function readPool(
  client: LibvirtClient,
  pool: NamedRef,
  active: boolean,
  signal?: AbortSignal,
): Promise<StoragePool | null> {
  try {
    const xml = await parseXml(await client.poolXml(pool, signal), "pool", signal);
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
  const pools = [
    ...(await sideBySide(active, (pool) => readPool(client, pool, true, signal))),
    ...(await sideBySide(inactive, (pool) => readPool(client, pool, false, signal))),
  ];
  return sortByText(
    pools.filter((pool) => pool !== null),
    ({ name }) => name,
    signal,
  );
}

async function readNetwork(
  client: LibvirtClient,
  network: NamedRef,
  active: boolean,
  signal?: AbortSignal,
): Promise<Network | null> {
  try {
    const xml = await parseXml(await client.networkXml(network, signal), "network", signal);
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

/** Bridges of the host that no network of libvirt is. */
async function readBridges(
  client: LibvirtClient,
  networks: readonly Network[],
  signal?: AbortSignal,
): Promise<Network[]> {
  // Without the interface driver nobody tells of them.
  const xmls = await client.interfaceXmls(signal).catch(unlessLost<string[]>([]));
  const known = new Set(networks.map((network) => network.bridge));
  const bridges: Network[] = [];
  for (const text of xmls) {
    const xml = await parseXml(text, "interface", signal);
    const name = textAt(xml, "@name");
    if (name === null || textAt(xml, "@type") !== "bridge" || known.has(name)) continue;
    bridges.push({ kind: "network", ref: `${BRIDGE_PREFIX}${name}`, name, type: "bridge", active: true, bridge: name });
  }
  return bridges;
}

/** `bridges`: the host's own ones too. */
export async function readNetworks(client: LibvirtClient, bridges: boolean, signal?: AbortSignal): Promise<Network[]> {
  const [active, inactive] = await Promise.all([client.networks(true, signal), client.networks(false, signal)]);
  const networks = [
    ...(await sideBySide(active, (network) => readNetwork(client, network, true, signal))),
    ...(await sideBySide(inactive, (network) => readNetwork(client, network, false, signal))),
  ];
  const known = networks.filter((network) => network !== null);
  const more = bridges ? await readBridges(client, known, signal) : [];
  return sortByText([...known, ...more], ({ name }) => name, signal);
}

/** Null: it was removed in the meantime. */
export async function readVm(client: LibvirtClient, domain: DomainRef, signal?: AbortSignal): Promise<Vm | null> {
  try {
    const [xml, state, snapshotXmls] = await Promise.all([
      client.domainXml(domain, false, signal),
      client.domainState(domain, signal),
      // libxl has none.
      client.snapshotXmls(domain, signal).catch((error: unknown) => {
        if (isCode(error, ERROR.noSupport)) return [];
        throw error;
      }),
    ]);
    const snapshots: VmSnapshot[] = [];
    for (const text of snapshotXmls) snapshots.push(await mapSnapshot(text, signal));
    const vm = await mapDomain(xml, state, snapshots, signal);
    const disks = await sideBySide(vm.disks, async (disk) => {
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
    });
    return { ...vm, disks };
  } catch (error) {
    if (error instanceof LibvirtError) return null;
    throw error;
  }
}
