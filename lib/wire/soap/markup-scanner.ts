/**
 * Cuts XML into tags and text while it comes in. Every character is looked at once, wherever the text is cut: what has
 * not ended yet is carried as pieces and never searched again. Source: "Extensible Markup Language 1.0", 2.4 to 2.7.
 */
import { TextPieces } from "../text-pieces.ts";
import { LONGEST_ENTITY, unescapeXml } from "./xml-entities.ts";
import { malformed } from "./xml-error.ts";

export type Markup =
  /** Text with its entities resolved; one run of text may come as several. */
  | { readonly kind: "text"; readonly text: string }
  /** What stands between `<` and `>`. */
  | { readonly kind: "open" | "close"; readonly text: string };

/** `opening`: behind a `<`, not yet known of what. */
type State = "text" | "opening" | "open" | "close" | "skip" | "cdata";

const CDATA = "![CDATA[";
const COMMENT = "!--";

export class MarkupScanner {
  readonly #mostTag: number;
  readonly #pieces = new TextPieces();
  #state: State = "text";
  /** Of a tag: the quote that is open. */
  #quote = "";
  /** Of what is skipped and of CDATA: what ends it, and the end of the last piece, which may be the beginning of that. */
  #ending = "";
  #tail = "";

  constructor(mostTag: number) {
    this.#mostTag = mostTag;
  }

  /** Throws `host.protocol`. */
  *feed(chunk: string): Generator<Markup> {
    for (let at = 0; at < chunk.length; ) {
      switch (this.#state) {
        case "text": {
          const end = chunk.indexOf("<", at);
          yield* this.#text(end < 0 ? chunk.slice(at) : chunk.slice(at, end), end >= 0);
          if (end < 0) return;
          this.#state = "opening";
          at = end + 1;
          break;
        }
        case "opening":
          at = this.#opening(chunk, at);
          break;
        case "open": {
          const end = this.#endOfTag(chunk, at);
          this.#keep(end < 0 ? chunk.slice(at) : chunk.slice(at, end));
          if (end < 0) return;
          this.#state = "text";
          at = end + 1;
          yield { kind: "open", text: this.#pieces.take() };
          break;
        }
        case "close": {
          const end = chunk.indexOf(">", at);
          this.#keep(end < 0 ? chunk.slice(at) : chunk.slice(at, end));
          if (end < 0) return;
          this.#state = "text";
          at = end + 1;
          yield { kind: "close", text: this.#pieces.take() };
          break;
        }
        default: {
          const text = this.#tail + chunk.slice(at);
          const end = text.indexOf(this.#ending);
          const known = end < 0 ? Math.max(0, text.length - this.#ending.length + 1) : end;
          if (this.#state === "cdata" && known > 0) yield { kind: "text", text: text.slice(0, known) };
          if (end < 0) {
            this.#tail = text.slice(known);
            return;
          }
          at = chunk.length - (text.length - end - this.#ending.length);
          this.#tail = "";
          this.#state = "text";
        }
      }
    }
  }

  /** Whether the text may end here: not inside of a tag, a comment or CDATA. */
  get complete(): boolean {
    return this.#state === "text";
  }

  /** `whole`: the run of text ends here, so no entity goes on. */
  *#text(piece: string, whole: boolean): Generator<Markup> {
    let text = this.#pieces.length === 0 ? piece : this.#pieces.take() + piece;
    if (!whole) {
      // An `&` so near the end of a piece may go on in the next one.
      const open = text.lastIndexOf("&");
      if (open >= 0 && text.length - open < LONGEST_ENTITY && !text.includes(";", open)) {
        this.#pieces.add(text.slice(open));
        text = text.slice(0, open);
      }
    }
    if (text !== "") yield { kind: "text", text: unescapeXml(text) };
  }

  /** The place from which to go on. */
  #opening(chunk: string, from: number): number {
    let start = this.#pieces.take();
    for (let at = from; at < chunk.length; ) {
      const next = chunk[at] as string;
      if (start === "" && next === "/") {
        this.#state = "close";
        return at + 1;
      }
      if (start === "" && next === "?") return this.#skip("?>", at + 1);
      if (start === "" && next !== "!") {
        this.#state = "open";
        this.#quote = "";
        return at;
      }
      start += next;
      at += 1;
      if (start === COMMENT) return this.#skip("-->", at);
      if (start === CDATA) {
        this.#skip("]]>", at);
        this.#state = "cdata";
        return at;
      }
      if (!COMMENT.startsWith(start) && !CDATA.startsWith(start))
        throw malformed("it brings a document type of its own");
    }
    this.#pieces.add(start);
    return chunk.length;
  }

  #skip(ending: string, at: number): number {
    this.#state = "skip";
    this.#ending = ending;
    this.#tail = "";
    return at;
  }

  /** Index of the `>` that ends the tag, -1 while it has not come. One within quotes does not. */
  #endOfTag(chunk: string, from: number): number {
    for (let at = from; at < chunk.length; at += 1) {
      if (this.#quote !== "") {
        at = chunk.indexOf(this.#quote, at);
        if (at < 0) return -1;
        this.#quote = "";
        continue;
      }
      const code = chunk.charCodeAt(at);
      if (code === 0x3e) return at;
      if (code === 0x22 || code === 0x27) this.#quote = chunk[at] as string;
    }
    return -1;
  }

  #keep(piece: string): void {
    this.#pieces.add(piece);
    if (this.#pieces.length > this.#mostTag) throw malformed(`a tag of it has more than ${this.#mostTag} characters`);
  }
}
