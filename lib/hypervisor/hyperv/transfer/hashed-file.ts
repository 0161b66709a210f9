import { createHash } from "node:crypto";
import type { OutgoingFile } from "#lib/disk/outgoing-file.ts";

/** SHA-256 of the file in its order, whatever is read again after a cut. */
export class HashedFile implements OutgoingFile {
  readonly #file: OutgoingFile;
  readonly #hash = createHash("sha256");
  passed = 0;
  /** Why a read failed: the host that asked for it sees a cut connection only. */
  failure: unknown = null;

  constructor(file: OutgoingFile) {
    this.#file = file;
  }

  get length(): number {
    return this.#file.length;
  }

  async read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    try {
      await this.#file.read(offset, into, signal);
    } catch (error) {
      this.failure ??= error;
      throw error;
    }
    if (offset > this.passed || offset + into.length <= this.passed) return;
    this.#hash.update(into.subarray(this.passed - offset));
    this.passed = offset + into.length;
  }

  digest(): string {
    return this.#hash.digest("hex");
  }
}
