/** References to characters. Names other than the five of XML are not known: there is no document type. */
import { malformed } from "./xml-error.ts";

const ENTITY: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };
/** The longest reference to a character, from `&` to `;`: leading zeros are few. */
export const LONGEST_ENTITY = 12;

/** Throws `host.protocol`. */
export function unescapeXml(text: string): string {
  let open = text.indexOf("&");
  if (open < 0) return text;
  let done = "";
  let from = 0;
  for (; open >= 0; open = text.indexOf("&", from)) {
    const reference = text.slice(open + 1, open + LONGEST_ENTITY);
    const length = reference.indexOf(";");
    if (length < 0) throw malformed(`the entity &${reference} does not end`);
    done += text.slice(from, open) + characterOf(reference.slice(0, length));
    from = open + length + 2;
  }
  return done + text.slice(from);
}

function characterOf(name: string): string {
  const known = ENTITY[name];
  if (known !== undefined) return known;
  const code = /^#x[0-9a-f]+$/i.test(name)
    ? Number.parseInt(name.slice(2), 16)
    : /^#[0-9]+$/.test(name)
      ? Number(name.slice(1))
      : Number.NaN;
  if (!(code >= 1 && code <= 0x10ffff)) throw malformed(`the entity &${name}; is unknown`);
  return String.fromCodePoint(code);
}
