/** What a guest's card may hang on beside the networks of libvirt: a bridge of the host, one of Open vSwitch, a card of the host. */
import type { Vm } from "#lib/domain/inventory.ts";
import type { VmSpec } from "../adapter.ts";
import { escapeXml as x, textAt, at, type Xml } from "./xml.ts";

export interface HostNetwork {
  /** `macvtap`: the guest's card shares that of the host, which itself cannot reach the guest by it. */
  readonly kind: "bridge" | "ovs" | "macvtap";
  /** Of the bridge, or of the host's card. */
  readonly name: string;
}

const KINDS = ["bridge", "ovs", "macvtap"] as const;

/** The reference beside the names of libvirt's networks: `bridge:br0`. */
export const hostNetworkRef = ({ kind, name }: HostNetwork): string => `${kind}:${name}`;

export function parseHostNetwork(ref: string): HostNetwork | null {
  const kind = KINDS.find((each) => ref.startsWith(`${each}:`) && ref.length > each.length + 1);
  return kind === undefined ? null : { kind, name: ref.slice(kind.length + 1) };
}

/** Of a domain's `<interface>`; null: it hangs on something else. */
export function hostNetworkOf(nic: Xml): HostNetwork | null {
  const type = textAt(nic, "@type");
  const bridge = textAt(nic, "source", "@bridge");
  if (type === "bridge" && bridge !== null) {
    const isOvs = textAt(at(nic, "virtualport"), "@type") === "openvswitch";
    return { kind: isOvs ? "ovs" : "bridge", name: bridge };
  }
  const card = textAt(nic, "source", "@dev");
  return type === "direct" && card !== null ? { kind: "macvtap", name: card } : null;
}

/** Each once. */
export function hostNetworksIn(vms: readonly Pick<Vm, "nics">[]): HostNetwork[] {
  const refs = new Set(vms.flatMap(({ nics }) => nics.flatMap((nic) => nic.networkRef ?? [])));
  return [...refs].flatMap((ref) => parseHostNetwork(ref) ?? []);
}

function source(networkRef: string): { readonly type: string; readonly xml: string } {
  const found = parseHostNetwork(networkRef);
  if (found === null) return { type: "network", xml: `<source network='${x(networkRef)}'/>` };
  const name = x(found.name);
  if (found.kind === "macvtap") return { type: "direct", xml: `<source dev='${name}' mode='bridge'/>` };
  const port = found.kind === "ovs" ? "\n      <virtualport type='openvswitch'/>" : "";
  return { type: "bridge", xml: `<source bridge='${name}'/>${port}` };
}

/** A card of a new domain; `model`: null where the hypervisor has one kind only. */
export function interfaceXml(nic: VmSpec["nics"][number], model: string | null): string {
  const { type, xml } = source(nic.networkRef);
  return `    <interface type='${type}'>${nic.mac === null ? "" : `\n      <mac address='${x(nic.mac)}'/>`}
      ${xml}${model === null ? "" : `\n      <model type='${model}'/>`}
    </interface>`;
}
