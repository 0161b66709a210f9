/** Items of a machine's hardware section, those of one configuration. Source: DSP0243 1.1.1, sections 8.3 and 8.4. */
import { childText, type XmlElement } from "../xml.ts";
import { sectionsOf } from "./envelope.ts";

export interface Item {
  readonly type: number;
  readonly id: string;
  readonly subType: string;
  readonly quantity: string;
  readonly units: string;
  readonly parent: string;
  readonly resource: string;
  /** Of a controller on its bus, or of a network card. */
  readonly address: string;
  readonly addressOnParent: string;
  readonly name: string;
}

export interface MachineItems {
  readonly items: readonly Item[];
  /** What disk items of other configurations name. */
  readonly elsewhere: readonly string[];
}

/** `configuration` null: there are none to choose from. */
export function itemsOf(system: XmlElement, configuration: string | null): MachineItems {
  // Several sections are the same machine for several hypervisors.
  const found =
    sectionsOf(system, "VirtualHardwareSection")
      .map(({ children }) =>
        children.filter(({ name }) => name === "Item" || name === "StorageItem" || name === "EthernetPortItem"),
      )
      .find((items) => items.length > 0) ?? [];
  // The bounds of a range are no hardware of their own.
  const plain = found.filter(({ attributes }) => /^(normal)?$/i.test(attributes.get("bound") ?? ""));
  const elsewhere: string[] = [];
  const mine = plain.filter((element) => {
    const only = bindingOf(element);
    if (only.length === 0 || configuration === null || only.includes(configuration)) return true;
    elsewhere.push(lastPart(childText(element, "HostResource") ?? ""));
    return false;
  });
  // An item of this configuration takes the place of the one that all have.
  const special = new Set(mine.filter((element) => bindingOf(element).length > 0).map((element) => idOf(element)));
  const kept = mine.filter(
    (element) => bindingOf(element).length > 0 || idOf(element) === "" || !special.has(idOf(element)),
  );
  return { items: kept.map(readItem), elsewhere: elsewhere.filter((name) => name !== "") };
}

const bindingOf = ({ attributes }: XmlElement): string[] =>
  (attributes.get("configuration") ?? "").split(/\s/).filter((id) => id !== "");

const idOf = (element: XmlElement): string =>
  childText(element, "InstanceID") ?? childText(element, "InstanceId") ?? "";

/** `vmdisk1` of `ovf:/disk/vmdisk1`. */
export const lastPart = (resource: string): string => resource.slice(resource.lastIndexOf("/") + 1);

function readItem(item: XmlElement): Item {
  const text = (name: string) => childText(item, name) ?? "";
  return {
    type: Number(text("ResourceType")),
    id: idOf(item),
    subType: text("ResourceSubType").toLowerCase(),
    quantity: text("VirtualQuantity"),
    units: text("AllocationUnits") || text("VirtualQuantityUnits"),
    parent: text("Parent"),
    resource: text("HostResource"),
    address: text("Address"),
    addressOnParent: text("AddressOnParent"),
    name: text("ElementName") || text("Caption"),
  };
}
