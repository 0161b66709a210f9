/** libvirt's XML, read and written. */
import { all as allOf, at as childAt, type Element } from "#lib/wire/soap/element.ts";
import { parseXmlInSlices } from "#lib/wire/soap/xml-reader.ts";

/** An element. Names come without their prefixes. */
export type Xml = Element;

/** The root, if that is its name. Throws `host.protocol`. */
export async function parseXml(text: string, name: string, signal?: AbortSignal): Promise<Xml | undefined> {
  const root = await parseXmlInSlices(text, { signal });
  return root.name === name ? root : undefined;
}

export const all = allOf;

/** The first element at the path, or undefined. */
export function at(node: Xml | undefined, ...path: string[]): Xml | undefined {
  return childAt(node, ...path);
}

/** Text of the element at the path, or of its attribute when the path ends with `@name`; null when it is not there. */
export function textAt(node: Xml | undefined, ...path: string[]): string | null {
  const last = path.at(-1);
  if (last?.startsWith("@") === true) return at(node, ...path.slice(0, -1))?.attributes?.[last.slice(1)] ?? null;
  const text = at(node, ...path)?.text.trim();
  return text === undefined || text === "" ? null : text;
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
