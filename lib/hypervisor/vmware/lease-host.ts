/** The host that a lease names for its files: where it is, when nobody here knows its name. */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { VsphereConnection } from "#lib/domain/connection/vmware.ts";
import { all, textAt, type Element } from "#lib/wire/soap/element.ts";
import { retrieveBy, propertiesOf, viewSpec } from "./properties.ts";
import { refOf, type Ref } from "./ref.ts";
import type { VimClient } from "./vim-client.ts";
import { withView } from "./view.ts";

const LOOKUP_MS = 10_000;
/** Addresses of one host that are tried. */
const MOST_ADDRESSES = 8;
const UNKNOWN = ["ENOTFOUND", "EAI_AGAIN", "EAI_NONAME", "EAI_NODATA"];

/** Of an address, without the brackets that IPv6 has in URLs. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

/** `*` in the host's place means the one that we speak to, and so does its own name. */
export function isSpokenTo(url: URL, { host, port }: Pick<VsphereConnection, "host" | "port">): boolean {
  return hostOf(url).toLowerCase() === host.toLowerCase() && Number(url.port || 443) === port;
}

/** Neither an address nor a name that this machine resolves. */
export async function isUnknown(host: string, signal?: AbortSignal): Promise<boolean> {
  signal?.throwIfAborted();
  if (isIP(host) !== 0) return false;
  const limit = AbortSignal.any([AbortSignal.timeout(LOOKUP_MS), ...(signal === undefined ? [] : [signal])]);
  const silent = new Promise<string>((resolve) => {
    limit.addEventListener("abort", () => resolve("EAI_AGAIN"), { once: true });
  });
  const found = lookup(host).then(
    () => "",
    (error: unknown) => (error instanceof Error && "code" in error ? String(error.code) : ""),
  );
  const code = await Promise.race([found, silent]);
  signal?.throwIfAborted();
  return UNKNOWN.includes(code);
}

/**
 * The addresses that vCenter knows of the host of that name, or else of the one that runs the VM, those for management
 * first. Whoever answers there still has to show the certificate that the lease names.
 */
export async function addressesOf(
  client: VimClient,
  name: string,
  vm: Ref | null,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  // The host that we speak to names itself.
  if (!client.isVcenter) return [client.connection.host];
  const host = (await hostNamed(client, name, signal)) ?? (await hostOfVm(client, vm, signal));
  if (host === null) return [];
  const paths = ["config.network.vnic", "config.virtualNicManagerInfo.netConfig"] as const;
  const found = await propertiesOf(client, host, paths, { signal });
  const management = all(found.get(paths[1]), "VirtualNicManagerNetConfig")
    .filter((config) => textAt(config, "nicType") === "management")
    .flatMap(selectedOf);
  const others = all(found.get(paths[0]), "HostVirtualNic");
  const addresses = [...management, ...others].flatMap((nic) => textAt(nic, "spec", "ip", "ipAddress") ?? []);
  return [...new Set(addresses.filter((address) => isIP(address) !== 0))].slice(0, MOST_ADDRESSES);
}

function selectedOf(config: Element): Element[] {
  const selected = all(config, "selectedVnic").map((each) => each.text);
  return all(config, "candidateVnic").filter((nic) => selected.includes(textAt(nic, "key") ?? ""));
}

async function hostNamed(client: VimClient, name: string, signal?: AbortSignal): Promise<Ref | null> {
  return withView(client, ["HostSystem"], { signal }, async (view) => {
    const specs = viewSpec("specSet", [{ type: "HostSystem", paths: ["name"] }], view);
    let found: Ref | null = null;
    for await (const { ref, values } of retrieveBy(client, specs, { signal }))
      if (values.get("name")?.text.toLowerCase() === name.toLowerCase()) found = ref;
    return found;
  });
}

async function hostOfVm(client: VimClient, vm: Ref | null, signal?: AbortSignal): Promise<Ref | null> {
  if (vm === null) return null;
  return refOf((await propertiesOf(client, vm, ["runtime.host"], { signal })).get("runtime.host"));
}
