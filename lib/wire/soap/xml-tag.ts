/** One tag taken apart, in one pass. Source: "Extensible Markup Language 1.0", 3.1. */
import { unescapeXml } from "./xml-entities.ts";
import { malformed } from "./xml-error.ts";

export interface Tag {
  /** With its prefix. */
  readonly name: string;
  /** With their prefixes, in their order; null: none. */
  readonly attributes: readonly (readonly [name: string, value: string])[] | null;
  readonly empty: boolean;
}

const isBlank = (code: number): boolean => code === 0x20 || (code >= 0x09 && code <= 0x0d);

/** `text`: what stands between `<` and `>`. Throws `host.protocol`. */
export function readTag(text: string, mostAttributes: number): Tag {
  const empty = text.endsWith("/");
  const end = empty ? text.length - 1 : text.length;
  let at = 0;
  const skipBlanks = (): void => {
    while (at < end && isBlank(text.charCodeAt(at))) at += 1;
  };
  /** Up to a blank or an equals sign. */
  const word = (): string => {
    const from = at;
    for (; at < end; at += 1) {
      const code = text.charCodeAt(at);
      if (code === 0x3d || isBlank(code)) break;
    }
    return text.slice(from, at);
  };
  const name = word();
  if (name === "") throw malformed("an element has no name");
  let attributes: [string, string][] | null = null;
  for (skipBlanks(); at < end; skipBlanks()) {
    const key = word();
    skipBlanks();
    if (key === "" || at >= end || text.charCodeAt(at) !== 0x3d)
      throw malformed(`an attribute of <${name.slice(0, 40)}> has no value`);
    at += 1;
    skipBlanks();
    const quote = text[at];
    const closing = quote === '"' || quote === "'" ? text.indexOf(quote, at + 1) : -1;
    if (closing < 0 || closing >= end) throw malformed(`a value in <${name.slice(0, 40)}> has no quotes`);
    attributes ??= [];
    if (attributes.length === mostAttributes) throw malformed(`an element has more than ${mostAttributes} attributes`);
    attributes.push([key, unescapeXml(text.slice(at + 1, closing))]);
    at = closing + 1;
  }
  return { name, attributes, empty };
}
