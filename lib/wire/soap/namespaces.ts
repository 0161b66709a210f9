/** What prefixes stand for at one place of a document. Looking one up takes the same time however many there are. */
import { malformed } from "./xml-error.ts";

export class Namespaces {
  /** The innermost declaration of a prefix stands last. */
  readonly #uris = new Map<string, string[]>([["xml", ["http://www.w3.org/XML/1998/namespace"]]]);

  declare(prefix: string, uri: string): void {
    const known = this.#uris.get(prefix);
    if (known === undefined) this.#uris.set(prefix, [uri]);
    else known.push(uri);
  }

  /** Ends the innermost declarations of these prefixes. */
  forget(prefixes: readonly string[]): void {
    for (const prefix of prefixes) {
      const known = this.#uris.get(prefix);
      known?.pop();
      if (known?.length === 0) this.#uris.delete(prefix);
    }
  }

  /** Throws `host.protocol` when nobody declared the prefix. */
  resolve(prefix: string): string {
    const uri = this.#uris.get(prefix)?.at(-1);
    if (uri !== undefined) return uri;
    if (prefix === "") return "";
    throw malformed(`the prefix ${prefix.slice(0, 40)} is not declared`);
  }
}
