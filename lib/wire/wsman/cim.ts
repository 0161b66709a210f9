/** CIM instances and references as WS-Management carries them. Source: DSP0230 (WS-CIM Mapping), DSP0226 5.4. */
import { all, at, type Element, textAt } from "../soap/element.ts";
import { xml, type XmlText } from "../soap/xml-text.ts";

export const WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi";
const ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
const WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd";

/** Which instance: its namespace (`root/virtualization/v2`), its class, its keys. */
export interface CimRef {
  readonly namespace: string;
  readonly className: string;
  readonly keys: Readonly<Record<string, string>>;
}

export type CimValue = string | CimRef;

export interface CimInstance {
  readonly className: string;
  readonly namespace: string;
  /** A property that is null is not there. */
  readonly values: ReadonlyMap<string, readonly CimValue[]>;
}

export const resourceUri = (namespace: string, className: string): string => `${WMI}/${namespace}/${className}`;

/** `…/wmi/root/virtualization/v2/Msvm_ComputerSystem` → its two halves. */
export function splitResource(uri: string): { namespace: string; className: string } {
  const rest = uri.toLowerCase().startsWith(WMI) ? uri.slice(WMI.length + 1) : uri;
  const slash = rest.lastIndexOf("/");
  return { namespace: rest.slice(0, Math.max(0, slash)), className: rest.slice(slash + 1) };
}

export function selectorSet(keys: Readonly<Record<string, string>>): XmlText | null {
  const names = Object.keys(keys);
  if (names.length === 0) return null;
  return xml`<w:SelectorSet xmlns:w="${WSMAN}">${names.map((name) => xml`<w:Selector Name="${name}">${keys[name] ?? ""}</w:Selector>`)}</w:SelectorSet>`;
}

/** What stands inside of an endpoint reference. */
export function referenceText(ref: CimRef): XmlText {
  return xml`<a:Address xmlns:a="${ADDRESSING}">${ADDRESSING}/role/anonymous</a:Address><a:ReferenceParameters xmlns:a="${ADDRESSING}"><w:ResourceURI xmlns:w="${WSMAN}">${resourceUri(ref.namespace, ref.className)}</w:ResourceURI>${selectorSet(ref.keys)}</a:ReferenceParameters>`;
}

export function readReference(element: Element): CimRef | null {
  const parameters = at(element, "ReferenceParameters");
  const uri = textAt(parameters, "ResourceURI");
  if (uri === null) return null;
  const selectors = all(at(parameters, "SelectorSet"), "Selector");
  return {
    ...splitResource(uri.trim()),
    keys: Object.fromEntries(selectors.map((selector) => [selector.attributes?.["Name"] ?? "", selector.text])),
  };
}

function readValue(element: Element): CimValue | null {
  const reference = readReference(element);
  if (reference !== null) return reference;
  // Dates and intervals stand in an element of their own.
  if (element.children.length > 0) return element.children[0]?.text ?? null;
  return element.text === "" ? null : element.text;
}

export function readInstance(element: Element): CimInstance {
  const values = new Map<string, CimValue[]>();
  for (const property of element.children) {
    const value = readValue(property);
    if (value === null) continue;
    const known = values.get(property.name);
    if (known === undefined) values.set(property.name, [value]);
    else known.push(value);
  }
  const resource = splitResource(element.ns);
  return { className: element.name, namespace: resource.namespace, values };
}

export function text(instance: CimInstance | undefined, name: string): string | null {
  const value = instance?.values.get(name)?.[0];
  return typeof value === "string" ? value : null;
}

export function texts(instance: CimInstance | undefined, name: string): readonly string[] {
  return (instance?.values.get(name) ?? []).filter((value) => typeof value === "string");
}

/** Null: not there, or no exact number. */
export function number(instance: CimInstance | undefined, name: string): number | null {
  const value = text(instance, name);
  if (value === null || value.trim() === "") return null;
  const parsed = Number(value);
  return Number.isSafeInteger(parsed) ? parsed : null;
}

export function flag(instance: CimInstance | undefined, name: string): boolean | null {
  const value = text(instance, name);
  return value === null ? null : value.toLowerCase() === "true";
}

export function reference(instance: CimInstance | undefined, name: string): CimRef | null {
  const value = instance?.values.get(name)?.[0];
  return value === undefined || typeof value === "string" ? null : value;
}
