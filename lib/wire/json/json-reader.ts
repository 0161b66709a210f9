/**
 * Reads JSON while it comes in, so that an answer of any permitted length is read in turns with everything else; what
 * JSON.parse does not allow. Source: RFC 8259.
 */
import { AppError } from "#lib/errors.ts";
import { TextPieces } from "../text-pieces.ts";

export interface JsonLimits {
  readonly depth: number;
  /** Values in all: objects, lists, texts, numbers. */
  readonly values: number;
  /** Names in one object. Whoever looks through an object does so at once. */
  readonly names: number;
}

export const JSON_LIMITS: JsonLimits = { depth: 64, values: 4_000_000, names: 65_536 };

interface OpenObject {
  readonly object: Record<string, unknown>;
  names: number;
  /** Null: a name comes next. */
  key: string | null;
}

type Open = OpenObject | { readonly list: unknown[] };

/**
 * What may come next. `first`: a value or the end of the list that has just begun; `name`: a name, or the end of the
 * object that has just begun; `more`: a comma or the end.
 */
type Expect = "value" | "first" | "firstName" | "name" | "colon" | "more" | "nothing";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Characters of the longest number or word. */
const MOST_WORD = 64;

function malformed(why: string): AppError {
  return new AppError("unavailable", "host.protocol", `The host's answer is not JSON that can be read: ${why}.`);
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;

export class JsonReader {
  readonly #limits: JsonLimits;
  readonly #stack: Open[] = [];
  readonly #pieces = new TextPieces();
  #expect: Expect = "value";
  /** What is being read: nothing, a text (behind a backslash or not), a number or word. */
  #inside: "none" | "text" | "escape" | "word" = "none";
  /** The text has a backslash. */
  #escaped = false;
  #values = 0;
  #root: unknown = undefined;

  constructor(limits: Partial<JsonLimits> = {}) {
    this.#limits = { ...JSON_LIMITS, ...limits };
  }

  /** Throws `host.protocol` when it is no JSON, or more than any host says. */
  feed(chunk: string): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#inside === "none") at = this.#next(chunk, at);
      else if (this.#inside === "word") at = this.#word(chunk, at);
      else at = this.#text(chunk, at);
    }
  }

  end(): unknown {
    if (this.#inside === "word") this.#endWord();
    if (this.#expect !== "nothing" || this.#inside !== "none") throw malformed("it ends in the middle");
    return this.#root;
  }

  #next(chunk: string, at: number): number {
    const code = chunk.charCodeAt(at);
    if (isBlank(code)) return at + 1;
    const expect = this.#expect;
    const value = expect === "value" || expect === "first";
    if (code === QUOTE && (value || expect === "name" || expect === "firstName")) {
      this.#inside = "text";
      this.#escaped = false;
    } else if (code === 0x7b && value) this.#open({ object: {}, names: 0, key: null }, "firstName");
    else if (code === 0x5b && value) this.#open({ list: [] }, "first");
    else if (code === 0x7d && (expect === "firstName" || expect === "more")) this.#close("object");
    else if (code === 0x5d && (expect === "first" || expect === "more")) this.#close("list");
    else if (code === 0x2c && expect === "more") this.#expect = "list" in this.#top() ? "value" : "name";
    else if (code === 0x3a && expect === "colon") this.#expect = "value";
    else if (value && (code === 0x2d || (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x7a))) {
      this.#inside = "word";
      return at;
    } else throw malformed(`${JSON.stringify(chunk[at])} is not expected there`);
    return at + 1;
  }

  #text(chunk: string, from: number): number {
    let at = from;
    if (this.#inside === "escape") {
      at += 1;
      this.#inside = "text";
    }
    for (; at < chunk.length; at += 1) {
      const code = chunk.charCodeAt(at);
      if (code === QUOTE) {
        this.#pieces.add(chunk.slice(from, at));
        this.#inside = "none";
        this.#take(this.#unescaped(this.#pieces.take()), true);
        return at + 1;
      }
      if (code === BACKSLASH) {
        this.#escaped = true;
        at += 1;
        if (at === chunk.length) this.#inside = "escape";
      } else if (code < 0x20) throw malformed("a text holds a control character");
    }
    this.#pieces.add(chunk.slice(from));
    return chunk.length;
  }

  #unescaped(text: string): string {
    if (!this.#escaped) return text;
    try {
      return JSON.parse(`"${text}"`) as string;
    } catch {
      throw malformed("a text holds an escape that is none");
    }
  }

  #word(chunk: string, from: number): number {
    let at = from;
    for (; at < chunk.length; at += 1) {
      const code = chunk.charCodeAt(at);
      if (code === 0x2c || code === 0x5d || code === 0x7d || isBlank(code)) break;
    }
    this.#pieces.add(chunk.slice(from, at));
    if (this.#pieces.length > MOST_WORD) throw malformed("a number has too many digits");
    if (at < chunk.length) this.#endWord();
    return at;
  }

  #endWord(): void {
    this.#inside = "none";
    const word = this.#pieces.take();
    let value: unknown;
    try {
      value = JSON.parse(word);
    } catch {
      throw malformed(`${JSON.stringify(word)} is no value`);
    }
    this.#take(value, false);
  }

  #top(): Open {
    const top = this.#stack.at(-1);
    if (top === undefined) throw malformed("it has an end without a beginning");
    return top;
  }

  #open(open: Open, expect: Expect): void {
    this.#count();
    if (this.#stack.length === this.#limits.depth) throw malformed("it is nested too deep");
    this.#stack.push(open);
    this.#expect = expect;
  }

  #close(kind: "object" | "list"): void {
    const top = this.#top();
    if (!(kind in top)) throw malformed("an end does not fit its beginning");
    this.#stack.pop();
    this.#put("list" in top ? top.list : top.object);
  }

  #take(value: unknown, text: boolean): void {
    if (text && (this.#expect === "name" || this.#expect === "firstName")) {
      const object = this.#top() as OpenObject;
      object.names += 1;
      if (object.names > this.#limits.names) throw malformed(`an object has more than ${this.#limits.names} names`);
      object.key = value as string;
      this.#expect = "colon";
      return;
    }
    this.#count();
    this.#put(value);
  }

  #put(value: unknown): void {
    const top = this.#stack.at(-1);
    this.#expect = top === undefined ? "nothing" : "more";
    if (top === undefined) this.#root = value;
    else if ("list" in top) top.list.push(value);
    else {
      const key = top.key ?? "";
      // Assigned, this one name would be a prototype.
      if (key === "__proto__")
        Object.defineProperty(top.object, key, { value, enumerable: true, configurable: true, writable: true });
      else top.object[key] = value;
      top.key = null;
    }
  }

  #count(): void {
    this.#values += 1;
    if (this.#values > this.#limits.values) throw malformed(`it has more than ${this.#limits.values} values`);
  }
}
