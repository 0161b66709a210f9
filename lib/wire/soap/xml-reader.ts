/**
 * Reads XML while it comes in and hands out the wanted elements one by one, so that a reply of any length takes the
 * memory of one of them. Namespaces are resolved: prefixes are whatever the peer likes. No DTD, no external entities.
 * Source: "Extensible Markup Language 1.0", "Namespaces in XML 1.0".
 */
import { Slices } from "../slices.ts";
import { TextPieces } from "../text-pieces.ts";
import type { Element } from "./element.ts";
import { MarkupScanner } from "./markup-scanner.ts";
import { Namespaces } from "./namespaces.ts";
import { malformed } from "./xml-error.ts";
import { XML_LIMITS, type XmlLimits } from "./xml-limits.ts";
import { readTag } from "./xml-tag.ts";

const XSI = "http://www.w3.org/2001/XMLSchema-instance";
const NO_CHILDREN: readonly Element[] = [];
/** Characters that are read before it is asked whether others want a turn. */
const SLICE = 32 * 1024;

interface Open {
  readonly qname: string;
  readonly name: string;
  readonly ns: string;
  readonly type: string | null;
  readonly attributes: Record<string, string> | null;
  children: Element[] | null;
  /** Null: none yet. */
  text: TextPieces | null;
  /** Prefixes that this element declared; null: none. */
  readonly declared: readonly string[] | null;
}

/** Elements and characters that are held. */
interface Held {
  elements: number;
  characters: number;
}

export class XmlReader {
  readonly #wanted: ReadonlySet<string>;
  readonly #limits: XmlLimits;
  readonly #scanner: MarkupScanner;
  readonly #stack: Open[] = [];
  readonly #namespaces = new Namespaces();
  /** Depth of the wanted element that is being read; 0: none. */
  #inside = 0;
  /** Of the wanted element that is being read, and of the rest. */
  #wantedHeld: Held = { elements: 0, characters: 0 };
  readonly #restHeld: Held = { elements: 0, characters: 0 };
  #root: Element | null = null;

  /** Local names of the elements to hand out; one within another is part of it. */
  constructor(wanted: readonly string[], limits: Partial<XmlLimits> = {}) {
    this.#wanted = new Set(wanted);
    this.#limits = { ...XML_LIMITS, ...limits };
    this.#scanner = new MarkupScanner(this.#limits.tag);
  }

  /** Wanted elements that are complete now. Throws `host.protocol` when it is no XML, or more than any host says. */
  *feed(chunk: string): Generator<Element> {
    for (const { kind, text } of this.#scanner.feed(chunk)) {
      if (kind === "text") this.#addText(text);
      else {
        const empty = kind === "open" && this.#open(text);
        const done = kind === "close" ? this.#close(text.trimEnd()) : empty ? this.#close(null) : null;
        if (done !== null) yield done;
      }
    }
  }

  /** The same, with turns for others in between. */
  async *feedInSlices(chunk: string, slices: Slices, signal?: AbortSignal): AsyncGenerator<Element> {
    for (let at = 0; at < chunk.length; at += SLICE) {
      if (slices.over) await slices.rest(signal);
      yield* this.feed(chunk.slice(at, at + SLICE));
    }
  }

  /** The root without the elements that were handed out. */
  end(): Element {
    if (this.#root === null || this.#stack.length > 0 || !this.#scanner.complete)
      throw malformed("it ends in the middle");
    return this.#root;
  }

  #hold(elements: number, characters: number): void {
    const held = this.#inside === 0 ? this.#restHeld : this.#wantedHeld;
    held.elements += elements;
    held.characters += characters;
    if (held.elements > this.#limits.elements || held.characters > this.#limits.characters)
      throw malformed("one part of it is too large");
  }

  #addText(text: string): void {
    const top = this.#stack.at(-1);
    if (top === undefined) return;
    this.#hold(0, text.length);
    top.text ??= new TextPieces();
    top.text.add(text);
  }

  /** Whether it is empty: it ends at once. */
  #open(text: string): boolean {
    if (this.#stack.length === 0 && this.#root !== null) throw malformed("it has two roots");
    if (this.#stack.length >= this.#limits.depth) throw malformed("it is nested too deep");
    const tag = readTag(text, this.#limits.attributes);
    const declared: string[] = [];
    for (const [name, value] of tag.attributes ?? []) {
      if (name !== "xmlns" && !name.startsWith("xmlns:")) continue;
      const prefix = name.slice(6);
      this.#namespaces.declare(prefix, value);
      declared.push(prefix);
    }
    let attributes: Record<string, string> | null = null;
    let type: string | null = null;
    for (const [name, value] of tag.attributes ?? []) {
      if (name === "xmlns" || name.startsWith("xmlns:")) continue;
      const colon = name.indexOf(":");
      if (colon < 0) {
        attributes ??= Object.create(null) as Record<string, string>;
        if (name in attributes) throw malformed(`<${tag.name.slice(0, 40)}> has two attributes of one name`);
        attributes[name] = value;
      } else if (name.endsWith(":type") && this.#namespaces.resolve(name.slice(0, colon)) === XSI) {
        type = value.slice(value.indexOf(":") + 1);
      }
    }
    const colon = tag.name.indexOf(":");
    const name = colon < 0 ? tag.name : tag.name.slice(colon + 1);
    if (name === "") throw malformed("an element has no name");
    const ns = this.#namespaces.resolve(colon < 0 ? "" : tag.name.slice(0, colon));
    this.#stack.push({
      qname: tag.name,
      name,
      ns,
      type,
      attributes,
      children: null,
      text: null,
      declared: declared.length === 0 ? null : declared,
    });
    if (this.#inside === 0 && this.#wanted.has(name)) this.#inside = this.#stack.length;
    this.#hold(1, text.length);
    return tag.empty;
  }

  /** `qname` null: the element was empty. Answers the element when it is a wanted one. */
  #close(qname: string | null): Element | null {
    const depth = this.#stack.length;
    const top = this.#stack.pop();
    if (top === undefined || (qname !== null && qname !== top.qname))
      throw malformed(`</${(qname ?? "").slice(0, 40)}> ends nothing`);
    if (top.declared !== null) this.#namespaces.forget(top.declared);
    const text = top.text?.take() ?? "";
    const element: Element = {
      name: top.name,
      ns: top.ns,
      type: top.type,
      attributes: top.attributes,
      children: top.children ?? NO_CHILDREN,
      // Line breaks between elements are layout.
      text: top.children === null ? text : text.trim(),
    };
    if (depth === this.#inside) {
      this.#inside = 0;
      this.#wantedHeld = { elements: 0, characters: 0 };
      return element;
    }
    const parent = this.#stack.at(-1);
    if (parent === undefined) this.#root = element;
    else if (parent.children === null) parent.children = [element];
    else parent.children.push(element);
    return null;
  }
}

/** A whole document at once: for one that is short. */
export function parseXml(text: string, limits?: Partial<XmlLimits>): Element {
  const reader = new XmlReader([], limits);
  for (const part of reader.feed(text)) throw malformed(`<${part.name}> was not asked for`);
  return reader.end();
}

/** A whole document with turns for others while it is read. */
export async function parseXmlInSlices(
  text: string,
  { limits, signal }: { readonly limits?: Partial<XmlLimits>; readonly signal?: AbortSignal | undefined } = {},
): Promise<Element> {
  const reader = new XmlReader([], limits);
  for await (const part of reader.feedInSlices(text, new Slices(), signal))
    throw malformed(`<${part.name}> was not asked for`);
  return reader.end();
}
