/** libvirt's XML, read and written. */
import { XMLParser } from "fast-xml-parser";

const LISTS = new Set(["disk", "interface", "serial", "enum", "value", "guest", "domain", "loader"]);

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: "@",
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: true,
  isArray: (name, path) => LISTS.has(name) && String(path).includes("."),
});

/** Elements by name, attributes by `@name`, text by `#text` or as the value itself. */
export type Xml = string | { readonly [name: string]: Xml | readonly Xml[] | undefined };

export function parseXml(text: string): Xml {
  return parser.parse(text) as Xml;
}

/** The first element at the path, or undefined. */
export function at(node: Xml | undefined, ...path: string[]): Xml | undefined {
  let here: Xml | readonly Xml[] | undefined = node;
  for (const name of path) {
    const one: Xml | undefined = Array.isArray(here) ? (here as readonly Xml[])[0] : (here as Xml | undefined);
    if (one === undefined || typeof one === "string") return undefined;
    here = one[name];
  }
  return Array.isArray(here) ? (here as readonly Xml[])[0] : (here as Xml | undefined);
}

export function all(node: Xml | undefined, name: string): readonly Xml[] {
  if (node === undefined || typeof node === "string") return [];
  const found = node[name];
  return found === undefined ? [] : Array.isArray(found) ? (found as readonly Xml[]) : [found as Xml];
}

/** Text of the element or attribute at the path; null when it is not there. */
export function textAt(node: Xml | undefined, ...path: string[]): string | null {
  const found = at(node, ...path);
  if (found === undefined) return null;
  if (typeof found === "string") return found;
  const text = found["#text"];
  return typeof text === "string" ? text : null;
}

export function escapeXml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&apos;");
}

const UNIT: Record<string, number> = {
  b: 1,
  bytes: 1,
  KB: 1000,
  k: 1024,
  KiB: 1024,
  M: 1024 ** 2,
  MiB: 1024 ** 2,
  MB: 1e6,
  G: 1024 ** 3,
  GiB: 1024 ** 3,
  GB: 1e9,
  T: 1024 ** 4,
  TiB: 1024 ** 4,
};

/** A size with its unit in bytes; libvirt's default unit for memory is KiB. */
export function sizeAt(node: Xml | undefined, name: string, unit = "KiB"): number | null {
  const text = textAt(node, name);
  if (text === null) return null;
  const value = Number(text) * (UNIT[textAt(node, name, "@unit") ?? unit] ?? Number.NaN);
  return Number.isSafeInteger(value) ? value : null;
}
