/** Fingerprints a disk from the bytes that a conversion reads anyway. */
import type { BlockSource, Extent } from "./block-source.ts";
import { ExtentCursor } from "./extent-cursor.ts";
import { Fingerprinter, fingerprintDisk } from "./fingerprint.ts";
import { LEAF_BYTES, type TreeState } from "./fingerprint-tree.ts";

/**
 * The fingerprint is the source's, not the plan's: data that the conversion did not ask for is read here. So a target
 * that lost something shows when its own fingerprint is compared.
 */
export class FingerprintFeed implements AsyncDisposable {
  readonly #disk: BlockSource;
  readonly #signal: AbortSignal | undefined;
  readonly #fingerprinter: Fingerprinter;
  readonly #cursor: ExtentCursor;
  #inOrder = true;
  #turn: Promise<void> = Promise.resolve();

  /** `from`: goes on after the leaves of another one's state. */
  constructor(disk: BlockSource, signal?: AbortSignal, from?: TreeState) {
    this.#disk = disk;
    this.#signal = signal;
    this.#fingerprinter = new Fingerprinter(disk.size, from);
    this.#cursor = new ExtentCursor(disk, signal);
  }

  /** Bytes as they were read, in the order of the calls. They may be reused once this resolves. */
  take(offset: number, bytes: Uint8Array): Promise<void> {
    const turn = this.#turn.then(async () => {
      if (!this.#inOrder) return;
      if (offset < this.#fingerprinter.position) {
        this.#inOrder = false;
        return;
      }
      await this.#gap(offset);
      this.#fingerprinter.data(bytes);
    });
    this.#turn = turn;
    // Whoever called sees the failure; the chain must not report it a second time.
    turn.catch(() => undefined);
    return turn;
  }

  /** What another feed needs to go on after the last whole leaf; null when it must read all again anyway. */
  get state(): TreeState | null {
    return this.#inOrder ? this.#fingerprinter.state : null;
  }

  async finish(): Promise<string> {
    await this.#turn;
    // A plan that goes back and forth over the disk costs one more read of it.
    if (!this.#inOrder) return fingerprintDisk(this.#disk, this.#signal === undefined ? {} : { signal: this.#signal });
    await this.#gap(this.#disk.size);
    return this.#fingerprinter.finish();
  }

  async #gap(to: number): Promise<void> {
    const from = this.#fingerprinter.position;
    if (to === from) return;
    for await (const extent of this.#cursor.range(from, to)) {
      if (extent.kind === "zero") this.#fingerprinter.zeros(extent.length);
      else await this.#readMissed(extent);
    }
  }

  async #readMissed(extent: Extent): Promise<void> {
    const end = extent.offset + extent.length;
    const buffer = Buffer.allocUnsafe(Math.min(LEAF_BYTES, extent.length));
    for (let at = extent.offset; at < end; at += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, end - at));
      await this.#disk.read(at, part, this.#signal);
      this.#fingerprinter.data(part);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn.catch(() => undefined);
    await this.#cursor[Symbol.asyncDispose]();
  }
}
