/**
 * Reads XML while it comes in and hands out the wanted elements one by one, so that a reply of any length takes the
 * memory of one of them. Namespaces are resolved: prefixes are whatever the peer likes. No DTD, no external entities.
 * Source: "Extensible Markup Language 1.0", "Namespaces in XML 1.0".
 */
import { AppError } from "#lib/errors.ts";
import type { Element } from "./element.ts";

const XSI = "http://www.w3.org/2001/XMLSchema-instance";
/** Far deeper than any reply; a peer that nests further is refused. */
const MAX_DEPTH = 256;
/** Characters of one tag, or of one run of text without an end. */
const MAX_PENDING = 64 * 1024 * 1024;
/** Elements held at once: one wanted element, or the rest of the reply. */
const MAX_HELD = 4_000_000;

const NO_CHILDREN: readonly Element[] = [];

interface Open {
  readonly qname: string;
  readonly name: string;
  readonly ns: string;
  readonly type: string | null;
  readonly attributes: Record<string, string> | null;
  children: Element[] | null;
  text: string;
  /** Prefixes that this element declared, over those of its parent. */
  readonly scope: Scope;
}

interface Scope {
  readonly prefix: string;
  readonly uri: string;
  readonly outer: Scope | null;
}

function resolve(scope: Scope, prefix: string): string {
  for (let here: Scope | null = scope; here !== null; here = here.outer) if (here.prefix === prefix) return here.uri;
  if (prefix === "") return "";
  throw malformed(`the prefix ${prefix} is not declared`);
}

const ROOT_SCOPE: Scope = { prefix: "xml", uri: "http://www.w3.org/XML/1998/namespace", outer: null };

function malformed(why: string): AppError {
  return new AppError("unavailable", "host.protocol", `The host's answer is no XML: ${why}.`);
}

const ENTITY: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function unescape(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&([^;&]{0,10});?/g, (whole, name: string) => {
    const known = ENTITY[name];
    if (known !== undefined) return known;
    const code = name.startsWith("#x")
      ? Number.parseInt(name.slice(2), 16)
      : name.startsWith("#")
        ? Number(name.slice(1))
        : NaN;
    if (!whole.endsWith(";") || !Number.isInteger(code) || code < 1 || code > 0x10ffff)
      throw malformed(`the entity ${whole} is unknown`);
    return String.fromCodePoint(code);
  });
}

/** The quote that is still open at the end of the text. */
function openQuote(text: string): string | null {
  let at = 0;
  for (;;) {
    const single = text.indexOf("'", at);
    const double = text.indexOf('"', at);
    if (single < 0 && double < 0) return null;
    const quote = double < 0 || (single >= 0 && single < double) ? "'" : '"';
    const closing = text.indexOf(quote, (quote === "'" ? single : double) + 1);
    if (closing < 0) return quote;
    at = closing + 1;
  }
}

const ATTRIBUTE = /([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

export class XmlReader {
  readonly #wanted: ReadonlySet<string>;
  readonly #stack: Open[] = [];
  #pending = "";
  /** Depth of the wanted element that is being read; 0: none. */
  #inside = 0;
  #held = 0;
  #root: Element | null = null;

  /** Local names of the elements to hand out; one within another is part of it. */
  constructor(wanted: readonly string[]) {
    this.#wanted = new Set(wanted);
  }

  /** Wanted elements that are complete now. Throws `host.protocol` when it is no XML. */
  *feed(chunk: string): Generator<Element> {
    const text = this.#pending === "" ? chunk : this.#pending + chunk;
    let from = 0;
    for (;;) {
      const open = text.indexOf("<", from);
      if (open < 0) break;
      const end = this.#endOfMarkup(text, open);
      if (end < 0) break;
      if (open > from) this.#addText(unescape(text.slice(from, open)));
      const second = text.charCodeAt(open + 1);
      if (second === 0x2f) {
        const done = this.#close(text.slice(open + 2, end).trimEnd());
        if (done !== null) yield done;
      } else if (second === 0x21) {
        if (text.startsWith("<![CDATA[", open)) this.#addText(text.slice(open + 9, end - 2));
        else if (!text.startsWith("<!--", open)) throw malformed("it brings a document type of its own");
      } else if (second !== 0x3f) {
        const empty = text.charCodeAt(end - 1) === 0x2f;
        this.#open(text.slice(open + 1, empty ? end - 1 : end));
        if (empty) {
          const done = this.#close(null);
          if (done !== null) yield done;
        }
      }
      from = end + 1;
    }
    this.#pending = text.slice(from);
    if (this.#pending.length > MAX_PENDING) throw malformed("a part of it does not end");
  }

  /** The root without the elements that were handed out. */
  end(): Element {
    if (this.#root === null || this.#stack.length > 0) throw malformed("it ends in the middle");
    return this.#root;
  }

  /** Index of the `>` that ends the markup at `open`, or -1 while that has not come. */
  #endOfMarkup(text: string, open: number): number {
    if (text.startsWith("<!--", open)) {
      const end = text.indexOf("-->", open + 4);
      return end < 0 ? -1 : end + 2;
    }
    if (text.startsWith("<![CDATA[", open)) {
      const end = text.indexOf("]]>", open + 9);
      return end < 0 ? -1 : end + 2;
    }
    // What may still become one of the two is waited for.
    if (text.length - open < 9 && text.charCodeAt(open + 1) === 0x21) return -1;
    let end = text.indexOf(">", open);
    if (text.charCodeAt(open + 1) === 0x2f) return end;
    // A `>` within quotes does not end the tag.
    for (;;) {
      if (end < 0) return -1;
      const quote = openQuote(text.slice(open, end));
      if (quote === null) return end;
      const closing = text.indexOf(quote, end);
      if (closing < 0) return -1;
      end = text.indexOf(">", closing);
    }
  }

  #addText(text: string): void {
    const top = this.#stack.at(-1);
    if (top !== undefined) top.text = top.text === "" ? text : top.text + text;
  }

  #open(tag: string): void {
    const parent = this.#stack.at(-1);
    if (parent === undefined && this.#root !== null) throw malformed("it has two roots");
    if (this.#stack.length >= MAX_DEPTH) throw malformed("it is nested too deep");
    this.#held += 1;
    if (this.#held > MAX_HELD) throw malformed("one part of it is too large");
    let scope: Scope = parent?.scope ?? ROOT_SCOPE;
    const space = tag.search(/\s/);
    const qname = space < 0 ? tag : tag.slice(0, space);
    let attributes: Record<string, string> | null = null;
    let type: string | null = null;
    if (space >= 0) {
      const found = [...tag.slice(space).matchAll(ATTRIBUTE)];
      for (const [, name = "", double, single] of found) {
        if (name === "xmlns") scope = { prefix: "", uri: unescape(double ?? single ?? ""), outer: scope };
        else if (name.startsWith("xmlns:"))
          scope = { prefix: name.slice(6), uri: unescape(double ?? single ?? ""), outer: scope };
      }
      for (const [, name = "", double, single] of found) {
        if (name === "xmlns" || name.startsWith("xmlns:")) continue;
        const value = unescape(double ?? single ?? "");
        const colon = name.indexOf(":");
        if (colon < 0) {
          attributes ??= Object.create(null) as Record<string, string>;
          attributes[name] = value;
        } else if (name.endsWith(":type") && resolve(scope, name.slice(0, colon)) === XSI) {
          type = value.slice(value.indexOf(":") + 1);
        }
      }
    }
    const colon = qname.indexOf(":");
    const name = colon < 0 ? qname : qname.slice(colon + 1);
    if (name === "") throw malformed("an element has no name");
    const ns = resolve(scope, colon < 0 ? "" : qname.slice(0, colon));
    this.#stack.push({ qname, name, ns, type, attributes, children: null, text: "", scope });
    if (this.#inside === 0 && this.#wanted.has(name)) this.#inside = this.#stack.length;
  }

  /** `qname` null: the element was empty. Answers the element when it is a wanted one. */
  #close(qname: string | null): Element | null {
    const depth = this.#stack.length;
    const top = this.#stack.pop();
    if (top === undefined || (qname !== null && qname !== top.qname)) throw malformed(`</${qname ?? ""}> ends nothing`);
    const element: Element = {
      name: top.name,
      ns: top.ns,
      type: top.type,
      attributes: top.attributes,
      children: top.children ?? NO_CHILDREN,
      // Line breaks between elements are layout.
      text: top.children === null ? top.text : top.text.trim(),
    };
    if (depth === this.#inside) {
      this.#inside = 0;
      this.#held = 0;
      return element;
    }
    const parent = this.#stack.at(-1);
    if (parent === undefined) this.#root = element;
    else if (parent.children === null) parent.children = [element];
    else parent.children.push(element);
    return null;
  }
}

/** A whole document at once. */
export function parseXml(text: string): Element {
  const reader = new XmlReader([]);
  for (const part of reader.feed(text)) throw malformed(`<${part.name}> was not asked for`);
  return reader.end();
}
