/** A reference to a managed object. */
import type { Element } from "#lib/wire/soap/element.ts";
import { XmlText, xml } from "#lib/wire/soap/xml-text.ts";

export interface Ref {
  readonly type: string;
  readonly id: string;
}

export const ref = (type: string, id: string): Ref => ({ type, id });

/** `name`: a tag of the API, not a word from outside. */
export function refXml(name: string, { type, id }: Ref): XmlText {
  return new XmlText(`<${name}${xml` type="${type}"`.text}>${xml`${id}`.text}</${name}>`);
}

/** Null: the element is not there. */
export function refOf(element: Element | undefined | null): Ref | null {
  if (element === undefined || element === null || element.text === "") return null;
  return { type: element.attributes?.["type"] ?? "", id: element.text };
}

/** An ArrayOfManagedObjectReference. */
export function refsOf(element: Element | undefined | null): Ref[] {
  return (element?.children ?? []).flatMap((child) => refOf(child) ?? []);
}
