/** The files that a copy reads from, each held once for as long as the copy lasts. */
import type { ByteSource, HeldFile } from "../io.ts";

export class FileLender implements Disposable {
  readonly #held = new Map<ByteSource, HeldFile>();

  /** null when the bytes are not those of a file that can be lent. */
  hold(bytes: ByteSource): HeldFile | null {
    let held = this.#held.get(bytes);
    if (held !== undefined) return held;
    held = bytes.hold?.();
    if (held === undefined) return null;
    this.#held.set(bytes, held);
    return held;
  }

  /** Name and length of the file behind a descriptor, for messages. */
  whose(fd: number): { readonly name: string; readonly size: number } | null {
    for (const [bytes, held] of this.#held) if (held.fd === fd) return { name: held.name, size: bytes.size };
    return null;
  }

  [Symbol.dispose](): void {
    for (const held of this.#held.values()) held.release();
  }
}
