/** XML as a template: every word that is put in is escaped, parts made by the same template are taken as they are. */

export class XmlText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | boolean | XmlText | null | readonly XmlText[];

/** No XML may hold these, escaped or not. */
export const NOT_IN_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

export function escapeXml(text: string): string {
  return text
    .replace(NOT_IN_XML, "")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&apos;");
}

function written(part: Part): string {
  if (part === null) return "";
  if (part instanceof XmlText) return part.text;
  if (Array.isArray(part)) return (part as readonly XmlText[]).map((each) => each.text).join("");
  return escapeXml(String(part));
}

/** Null writes nothing, a list writes its parts. */
export function xml(strings: TemplateStringsArray, ...parts: Part[]): XmlText {
  return new XmlText(strings.reduce((text, next, index) => `${text}${written(parts[index - 1] ?? null)}${next}`));
}
