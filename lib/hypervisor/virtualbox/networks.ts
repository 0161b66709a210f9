/** Networks of a VirtualBox host. Their `ref` is `mode:name`, as a network card is attached to them. */
import type { Network } from "#lib/domain/inventory.ts";
import type { MachineInfo } from "./machine-readable.ts";
import { parseRecords } from "./records.ts";
import { VBoxError } from "./vbox-error.ts";
import type { VBoxManage } from "./vboxmanage.ts";

type Mode = "nat" | "bridged" | "hostonly" | "hostonlynet" | "natnetwork" | "intnet";

const TYPE: Record<Mode, string> = {
  nat: "nat",
  bridged: "bridge",
  hostonly: "host-only",
  hostonlynet: "host-only",
  natnetwork: "nat",
  intnet: "isolated",
};

const NAT_NAME = "NAT";

function network(mode: Mode, name: string, active: boolean, bridge: string | null): Network {
  return { kind: "network", ref: mode === "nat" ? "nat" : `${mode}:${name}`, name, type: TYPE[mode], active, bridge };
}

/** The key of `showvminfo` that names the network, by the mode of the card. */
const NAMED_BY: Record<string, (slot: number) => string> = {
  bridged: (slot) => `bridgeadapter${slot}`,
  hostonly: (slot) => `hostonlyadapter${slot}`,
  hostonlynetwork: (slot) => `hostonly-network${slot}`,
  natnetwork: (slot) => `nat-network${slot}`,
  intnet: (slot) => `intnet${slot}`,
};
const MODE_OF: Record<string, Mode> = { hostonlynetwork: "hostonlynet" };

export function networkOfNic(
  info: MachineInfo,
  slot: number,
  mode: string,
): { ref: string | null; name: string | null } {
  if (mode === "nat") return { ref: "nat", name: NAT_NAME };
  const name = info.get(NAMED_BY[mode]?.(slot) ?? "");
  if (name === undefined || name === "") return { ref: null, name: mode === "null" ? null : mode };
  return { ref: `${MODE_OF[mode] ?? mode}:${name}`, name };
}

/** Arguments of `modifyvm` that attach card `slot` (from 1); null for a reference that is none. */
export function attachArguments(slot: number, ref: string): string[] | null {
  if (ref === "nat") return [`--nic${slot}`, "nat"];
  const colon = ref.indexOf(":");
  const name = ref.slice(colon + 1);
  if (colon < 0 || name === "") return null;
  switch (ref.slice(0, colon)) {
    case "bridged":
      return [`--nic${slot}`, "bridged", `--bridgeadapter${slot}`, name];
    case "hostonly":
      return [`--nic${slot}`, "hostonly", `--hostonlyadapter${slot}`, name];
    case "hostonlynet":
      return [`--nic${slot}`, "hostonlynet", `--host-only-net${slot}`, name];
    case "natnetwork":
      return [`--nic${slot}`, "natnetwork", `--nat-network${slot}`, name];
    case "intnet":
      return [`--nic${slot}`, "intnet", `--intnet${slot}`, name];
    default:
      return null;
  }
}

export async function readNetworks(vbox: VBoxManage, signal?: AbortSignal): Promise<Network[]> {
  // Which lists there are differs by version and by the machine's system.
  const list = async (what: string, first: string) => {
    try {
      return await parseRecords(await vbox.ask(["list", what], { signal }), first);
    } catch (error) {
      if (error instanceof VBoxError) return [];
      throw error;
    }
  };
  const [bridged, hostOnly, hostOnlyNets, nat, internal] = await Promise.all([
    list("bridgedifs", "Name"),
    list("hostonlyifs", "Name"),
    list("hostonlynets", "Name"),
    list("natnets", vbox.atLeast(7) ? "Name" : "NetworkName"),
    list("intnets", "Name"),
  ]);
  const name = (record: ReadonlyMap<string, string>): string => record.get("Name") ?? record.get("NetworkName") ?? "";
  const enabled = (record: ReadonlyMap<string, string>): boolean => (record.get("Enabled") ?? "Yes") === "Yes";
  return [
    network("nat", NAT_NAME, true, null),
    ...bridged.map((each) => network("bridged", name(each), each.get("Status") === "Up", name(each))),
    ...hostOnly.map((each) => network("hostonly", name(each), each.get("Status") === "Up", name(each))),
    ...hostOnlyNets.map((each) => network("hostonlynet", name(each), each.get("State") !== "Disabled", null)),
    ...nat.map((each) => network("natnetwork", name(each), enabled(each), null)),
    ...internal.map((each) => network("intnet", name(each), true, null)),
  ].filter((each) => each.name !== "");
}
