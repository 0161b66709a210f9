/** What cards of guests may hang on: libvirt's networks, then the host's own bridges and cards. */
import type { Network } from "#lib/domain/inventory.ts";
import { sortByText } from "#lib/wire/sort-in-slices.ts";
import type { LibvirtClient } from "../client.ts";
import { type HostNetwork, hostNetworkRef } from "../host-network.ts";
import { LibvirtError } from "../libvirt-error.ts";
import { sideBySide } from "./side-by-side.ts";
import type { NamedRef } from "../types.ts";
import { at, parseXml, textAt } from "../xml.ts";
import { unlessLost } from "./refusals.ts";

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

/** An interface's name as it is in the name of its device. */
const inDeviceName = (name: string): string => name.replaceAll(/[^A-Za-z0-9]/g, "_");
const DEVICE = /^net_(.+)_(?:[0-9a-f]{2}_){5}[0-9a-f]{2}$/;
/** What administrators call their bridges: `br0`, `vmbr1`, `bridge0`. */
const CALLED_BRIDGE = /^(?:vm|xen|ovs)?br(?:idge)?(?:\d*|[-_]\w+)$/i;
/** Docker's: it alone gives addresses there, and its firewall rules are made for its containers. */
const OF_DOCKER = /^(?:docker\d+|br-[0-9a-f]{12})$/;

/** By the names of interfaces as they are in devices' names; null: this libvirt knows nothing of the host's devices. */
async function readDevices(client: LibvirtClient, signal?: AbortSignal): Promise<Map<string, string> | null> {
  const devices = await client.nodeDevices(signal).catch(unlessLost(null));
  return (
    devices &&
    new Map(
      devices.flatMap((device) => {
        const name = DEVICE.exec(device)?.[1];
        return name === undefined ? [] : [[name, device] as const];
      }),
    )
  );
}

/** Bridges as the interface driver tells them; null: there is no such driver. */
async function bridgesByDriver(client: LibvirtClient, signal?: AbortSignal): Promise<string[] | null> {
  const xmls = await client.interfaceXmls(signal).catch(unlessLost(null));
  if (xmls === null) return null;
  const names: string[] = [];
  for (const text of xmls) {
    const xml = await parseXml(text, "interface", signal);
    const name = textAt(xml, "@name");
    if (name !== null && textAt(xml, "@type") === "bridge") names.push(name);
  }
  return names;
}

/** Devices do not say whether they are bridges: those that are called so. */
async function bridgesByName(
  client: LibvirtClient,
  devices: ReadonlyMap<string, string>,
  signal?: AbortSignal,
): Promise<string[]> {
  const names: string[] = [];
  for (const [name, device] of devices) {
    if (!CALLED_BRIDGE.test(name)) continue;
    const text = await client.nodeDeviceXml(device, signal).catch(unlessLost(null));
    const xml = text === null ? undefined : await parseXml(text, "device", signal);
    const real = textAt(xml, "capability", "interface");
    // A card of hardware lies elsewhere.
    if (real !== null && textAt(xml, "path")?.includes("/virtual/net/") === true) names.push(real);
  }
  return names;
}

async function readHostNetworks(
  client: LibvirtClient,
  networks: readonly Network[],
  seen: readonly HostNetwork[],
  signal?: AbortSignal,
): Promise<Network[]> {
  const devices = await readDevices(client, signal);
  const found =
    (await bridgesByDriver(client, signal)) ?? (devices === null ? [] : await bridgesByName(client, devices, signal));
  const known = new Set(networks.map((network) => network.bridge));
  const all = new Map<string, Network>();
  // A bridge that a guest hangs on as one of Open vSwitch is none of the kernel's.
  const others = new Set(seen.flatMap(({ kind, name }) => (kind === "bridge" ? [] : [name])));
  const add = (network: HostNetwork, there: boolean): void => {
    const { kind, name } = network;
    if (kind !== "macvtap" && known.has(name)) return;
    const ref = hostNetworkRef(network);
    if (all.has(ref)) return;
    all.set(ref, {
      kind: "network",
      ref,
      name,
      type: kind === "ovs" ? "openvswitch" : kind,
      active: there,
      bridge: kind === "macvtap" ? null : name,
    });
  };
  for (const name of found) if (!others.has(name) && !OF_DOCKER.test(name)) add({ kind: "bridge", name }, true);
  // Devices that appeared later are missing where no udev runs: then nothing follows from a name that is not there.
  const tells = devices !== null && found.every((name) => devices.has(inDeviceName(name)));
  for (const network of seen) add(network, !tells || devices.has(inDeviceName(network.name)));
  return [...all.values()];
}

/** `seen`: what guests hang on already; Open vSwitch and macvtap are known only from there. */
export async function readNetworks(
  client: LibvirtClient,
  seen: readonly HostNetwork[],
  signal?: AbortSignal,
): Promise<Network[]> {
  const [active, inactive] = await Promise.all([client.networks(true, signal), client.networks(false, signal)]);
  const networks = [
    ...(await sideBySide(active, (network) => readNetwork(client, network, true, signal))),
    ...(await sideBySide(inactive, (network) => readNetwork(client, network, false, signal))),
  ];
  const known = networks.filter((network) => network !== null);
  const more = await readHostNetworks(client, known, seen, signal);
  const byName = (some: readonly Network[]) => sortByText(some, ({ name }) => name, signal);
  return [...(await byName(known)), ...(await byName(more))];
}
