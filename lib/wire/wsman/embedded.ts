/** An instance inside a text, as WMI methods take their settings. Source: DSP0201 (CIM-XML), elements INSTANCE and PROPERTY. */
import { all, at, type Element } from "../soap/element.ts";
import { malformed } from "../soap/xml-error.ts";
import { parseXml } from "../soap/xml-reader.ts";
import { NOT_IN_XML, xml, XmlText } from "../soap/xml-text.ts";

export type EmbeddedType = "string" | "boolean" | "uint8" | "uint16" | "uint32" | "uint64" | "sint32" | "datetime";
/** A list becomes an array property. */
export type EmbeddedValue = readonly [EmbeddedType, string | number | boolean | readonly string[]];

export interface EmbeddedInstance {
  readonly className: string;
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/** Hyper-V refuses named references in here (`&amp;`: 32768, `&lt;`: 32773) and takes numbered ones. */
const written = (text: string): XmlText =>
  new XmlText(text.replace(NOT_IN_XML, "").replace(/[&<>"'\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`));

/** Properties that are null are left out: WMI then takes the class's default. */
export function embeddedInstance(
  className: string,
  properties: Readonly<Record<string, EmbeddedValue | null>>,
): string {
  const parts = Object.entries(properties).flatMap(([name, given]) => {
    if (given === null) return [];
    const [type, value] = given;
    return Array.isArray(value)
      ? [
          xml`<PROPERTY.ARRAY NAME="${name}" TYPE="${type}"><VALUE.ARRAY>${(value as readonly string[]).map((each) => xml`<VALUE>${written(each)}</VALUE>`)}</VALUE.ARRAY></PROPERTY.ARRAY>`,
        ]
      : [xml`<PROPERTY NAME="${name}" TYPE="${type}"><VALUE>${written(String(value))}</VALUE></PROPERTY>`];
  });
  return xml`<INSTANCE CLASSNAME="${className}">${parts}</INSTANCE>`.text;
}

/** Characters of one that is read. Real ones have a few thousand; what is longer would hold up everything else. */
const MOST_EMBEDDED = 256 * 1024;

/** Throws `host.protocol` when it is no XML or too long; null when it is no instance. */
export function readEmbedded(text: string): EmbeddedInstance | null {
  if (text.length > MOST_EMBEDDED) throw malformed(`an embedded instance has more than ${MOST_EMBEDDED} characters`);
  const root = parseXml(text);
  if (root.name !== "INSTANCE") return null;
  const values = new Map<string, readonly string[]>();
  const name = (element: Element): string => element.attributes?.["NAME"] ?? "";
  for (const property of all(root, "PROPERTY")) {
    const value = at(property, "VALUE");
    if (value !== undefined) values.set(name(property), [value.text]);
  }
  for (const property of all(root, "PROPERTY.ARRAY")) {
    values.set(
      name(property),
      all(at(property, "VALUE.ARRAY"), "VALUE").map((value) => value.text),
    );
  }
  return { className: root.attributes?.["CLASSNAME"] ?? "", values };
}
