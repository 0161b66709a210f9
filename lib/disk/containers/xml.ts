/** XML that a stranger wrote: no document type, so no entities of its own; size, tags and depth are bounded first. */
import { XMLParser, XMLValidator } from "fast-xml-parser";
import { corrupt, refused } from "../image-error.ts";

export interface XmlElement {
  /** Without its prefix: descriptors choose these as they like. */
  readonly name: string;
  /** Without prefixes. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  readonly text: string;
}

/** Real descriptors have some ten thousand bytes. */
export const MOST_XML_BYTES = 4 * 1_048_576;
const MOST_TAGS = 200_000;
/** Each costs far more memory than its own bytes. */
const MOST_ATTRIBUTES = 200_000;
const MOST_REFERENCES = 50_000;
const MOST_DEPTH = 64;
/** Bytes of one tag with its attributes. */
const LONGEST_TAG = 16_384;

type Parsed = { readonly [name: string]: unknown };

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: "",
  removeNSPrefix: true,
  parseTagValue: false,
  parseAttributeValue: false,
  processEntities: false,
  maxNestedTags: MOST_DEPTH,
});

/** The root element. Throws `image.xml-refused` and `image.corrupt` with `at`, the text's offset in its file. */
export function parseXml(file: string, at: number, bytes: Buffer): XmlElement {
  const { text, markup } = withoutSections(decodeText(bytes));
  bound(file, at, markup);
  const valid = XMLValidator.validate(text);
  if (valid !== true) {
    throw corrupt(file, at, `its description is no sound XML: line ${valid.err.line}: ${valid.err.msg.slice(0, 200)}`);
  }
  let roots: readonly XmlElement[];
  try {
    roots = elements(parser.parse(text) as readonly Parsed[]);
  } catch (error) {
    throw corrupt(file, at, "its description is no sound XML", error);
  }
  const [root] = roots;
  if (root === undefined || roots.length > 1) throw corrupt(file, at, "its description has no single root element");
  return root;
}

/** By its byte order mark, else as it declares itself, else UTF-8. */
export function decodeText(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0x3c && second === 0)) return decoded(bytes, "utf-16le");
  if ((first === 0xfe && second === 0xff) || (first === 0 && second === 0x3c)) return decoded(bytes, "utf-16be");
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 256)).toString("latin1");
  const declared = /^<\?xml[^>]{0,200}?encoding\s{0,9}=\s{0,9}["']([\w.:-]{1,40})["']/.exec(start)?.[1] ?? "utf-8";
  // What declares itself UTF-16 and can be read up to there is not.
  return decoded(bytes, /^utf-?16/i.test(declared) ? "utf-8" : declared);
}

/** An encoding that nobody knows is left to UTF-8. */
function decoded(bytes: Uint8Array, encoding: string): string {
  let decoder: TextDecoder;
  try {
    decoder = new TextDecoder(encoding);
  } catch {
    decoder = new TextDecoder();
  }
  return decoder.decode(bytes);
}

const SECTIONS = [
  ["<!--", "-->"],
  ["<![CDATA[", "]]>"],
] as const;

/**
 * The same document without comments, CDATA as escaped text; and its markup alone, which is what may be large or deep.
 * A section that does not end is left as it is.
 */
function withoutSections(source: string): { text: string; markup: string } {
  const text: string[] = [];
  const markup: string[] = [];
  let done = 0;
  for (let at = source.indexOf("<!"); at !== -1; at = source.indexOf("<!", at)) {
    const section = SECTIONS.find(([start]) => source.startsWith(start, at));
    if (section === undefined) {
      at += 2;
      continue;
    }
    const [start, stop] = section;
    const end = source.indexOf(stop, at + start.length);
    if (end === -1) break;
    const before = source.slice(done, at);
    text.push(before);
    markup.push(before);
    if (start === "<![CDATA[") text.push(escapeXml(source.slice(at + start.length, end)));
    done = at = end + stop.length;
  }
  const rest = source.slice(done);
  return { text: text.join("") + rest, markup: markup.join("") + rest };
}

function bound(file: string, at: number, text: string): void {
  const refuse = (what: string) =>
    refused(file, at, "image.xml-refused", what, "No program writes such a description: get the file anew.");
  if (/<!(DOCTYPE|ENTITY)/i.test(text)) throw refuse("has a description with a document type of its own");
  if (count(text, "=") > MOST_ATTRIBUTES) throw refuse(`has a description of more than ${MOST_ATTRIBUTES} attributes`);
  if (count(text, "&") > MOST_REFERENCES) throw refuse(`has a description of more than ${MOST_REFERENCES} references`);
  let tags = 0;
  let depth = 0;
  for (let open = text.indexOf("<"); open !== -1; open = text.indexOf("<", open + 1)) {
    const close = text.indexOf(">", open);
    const end = close === -1 ? text.length : close;
    if (end - open > LONGEST_TAG) throw refuse(`has a description with a tag of more than ${LONGEST_TAG} characters`);
    if (++tags > MOST_TAGS) throw refuse(`has a description of more than ${MOST_TAGS} tags`);
    const kind = text[open + 1];
    if (kind === "/") depth--;
    else if (kind !== "?" && kind !== "!" && text[end - 1] !== "/") depth++;
    if (depth > MOST_DEPTH) throw refuse(`has a description that is nested more than ${MOST_DEPTH} deep`);
  }
}

function count(text: string, character: string): number {
  let found = 0;
  for (let at = text.indexOf(character); at !== -1; at = text.indexOf(character, at + 1)) found++;
  return found;
}

function elements(nodes: readonly Parsed[]): XmlElement[] {
  const found: XmlElement[] = [];
  for (const node of nodes) {
    const name = Object.keys(node).find((key) => key !== ":@");
    if (name === undefined || name === "#text" || name.startsWith("?")) continue;
    const inner = node[name] as readonly Parsed[];
    found.push({
      name,
      attributes: new Map(
        Object.entries((node[":@"] ?? {}) as Record<string, string>).map(([key, value]) => [key, unescapeXml(value)]),
      ),
      children: elements(inner),
      text: unescapeXml(
        inner
          .map((child) => (typeof child["#text"] === "string" ? child["#text"] : ""))
          .join("")
          .trim(),
      ),
    });
  }
  return found;
}

const NAMED: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/** The five names and numbers of characters; nothing else is defined without a document type. */
function unescapeXml(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w{2,4}));/g, (whole, decimal, hex, name: string) => {
    if (name !== undefined) return NAMED[name] ?? whole;
    const point = decimal === undefined ? Number.parseInt(hex as string, 16) : Number(decimal);
    return point > 0x10_ffff ? whole : String.fromCodePoint(point);
  });
}

export function escapeXml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&apos;");
}

export function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name);
}

/** Text of the first child of that name; null when it is not there or empty. */
export function childText(element: XmlElement, name: string): string | null {
  const text = element.children.find((child) => child.name === name)?.text;
  return text === undefined || text === "" ? null : text;
}

/** All elements of that name below this one, in their order. */
export function* descendants(element: XmlElement, name: string): Iterable<XmlElement> {
  for (const child of element.children) {
    if (child.name === name) yield child;
    yield* descendants(child, name);
  }
}
