/** VMs by what Supravisor wrote into them. A setting of the VM itself is the proof; the rest only helps to find it. */
import { createHash } from "node:crypto";
import { all, textAt } from "#lib/wire/soap/element.ts";
import { xml } from "#lib/wire/soap/xml-text.ts";
import { propertiesOf, retrieveBy, viewSpec } from "./properties.ts";
import { refOf, type Ref } from "./ref.ts";
import { withView } from "./view.ts";
import type { CallOptions, VimClient } from "./vim-client.ts";
import { isFault } from "./vim-fault.ts";

/** Settings in a VM's extraConfig. */
export const SETTING = { tag: "supravisor.tag", disk: "supravisor.disk", files: "supravisor.files" } as const;

/** A UUID that a disk's ref always comes to. */
export function uuidOf(ref: string): string {
  const hex = createHash("sha256").update(`supravisor disk ${ref}`).digest("hex");
  // The marks of a random UUID, RFC 9562 section 5.4.
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** The VM's settings, the last word on each; null: the VM is gone. */
export async function settingsOf(
  client: VimClient,
  vm: Ref,
  options: CallOptions = {},
): Promise<ReadonlyMap<string, string> | null> {
  try {
    const found = (await propertiesOf(client, vm, ["config.extraConfig"], options)).get("config.extraConfig");
    return new Map(all(found, "OptionValue").map((each) => [textAt(each, "key") ?? "", textAt(each, "value") ?? ""]));
  } catch (error) {
    if (isFault(error, "ManagedObjectNotFound")) return null;
    throw error;
  }
}

/**
 * The VM whose setting `key` has this value. `uuid`: its instance UUID, which vCenter may have changed when another VM
 * had it; then all VMs are looked through whose name or notes hold `hint`.
 */
export async function findVm(
  client: VimClient,
  wanted: { readonly key: string; readonly value: string; readonly uuid: string; readonly hint: string },
  options: CallOptions = {},
): Promise<Ref | null> {
  const isIt = async (vm: Ref): Promise<boolean> =>
    (await settingsOf(client, vm, options))?.get(wanted.key) === wanted.value;
  const args = xml`<uuid>${wanted.uuid}</uuid><vmSearch>true</vmSearch><instanceUuid>true</instanceUuid>`;
  const reply = await client.call("FindByUuid", client.service("searchIndex"), args, options);
  const direct = refOf(reply.children.find((child) => child.name === "returnval"));
  if (direct !== null && (await isIt(direct))) return direct;
  const maybe: Ref[] = [];
  await withView(client, ["VirtualMachine"], options, async (view) => {
    const specs = viewSpec("specSet", [{ type: "VirtualMachine", paths: ["name", "config.annotation"] }], view);
    for await (const { ref, values } of retrieveBy(client, specs, options)) {
      const texts = [values.get("name")?.text ?? "", values.get("config.annotation")?.text ?? ""];
      if (texts.some((text) => text.includes(wanted.hint))) maybe.push(ref);
    }
  });
  for (const vm of maybe) if (await isIt(vm)) return vm;
  return null;
}

/** Something of that name in the folder; null: nothing. `name` as people write it. */
export async function childOf(
  client: VimClient,
  folder: Ref,
  escapedName: string,
  options: CallOptions = {},
): Promise<Ref | null> {
  const args = xml`<entity type="${folder.type}">${folder.id}</entity><name>${escapedName}</name>`;
  const reply = await client.call("FindChild", client.service("searchIndex"), args, options);
  return refOf(reply.children.find((child) => child.name === "returnval"));
}
