/** .zst (RFC 8878): frames behind one another, each unpacked by Node's own zstd, which knows one frame only. */
import { PassThrough, pipeline, Readable } from "node:stream";
import { constants, createZstdDecompress } from "node:zlib";
import { AppError } from "#lib/errors.ts";
import type { Meter } from "./packing.ts";

const MAGIC = 0xfd2f_b528;
const SKIPPABLE = 0x184d_2a50;
/** Largest window that is granted, as `zstd -d` grants without being asked. */
const WINDOW_LOG = 27;

export async function* unzstd(input: AsyncIterable<Uint8Array>, meter: Meter): AsyncIterable<Uint8Array> {
  const reader = new FrameReader(input, meter);
  try {
    while (await reader.beginFrame()) yield* unpackFrame(reader.frame(), meter);
  } finally {
    await reader.close();
  }
}

async function* unpackFrame(frame: AsyncIterable<Uint8Array>, meter: Meter): AsyncIterable<Uint8Array> {
  const source = Readable.from(frame, { objectMode: false });
  const out = createZstdDecompress({
    chunkSize: 262_144,
    params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG },
  });
  const end = new PassThrough({ highWaterMark: 524_288 });
  // What fails shows where the output is read.
  pipeline(source, out, end, () => undefined);
  try {
    for await (const bytes of end as AsyncIterable<Buffer>) yield bytes;
  } catch (error) {
    if (!(error instanceof Error) || error instanceof AppError || error.name === "AbortError") throw error;
    throw meter.corrupt("its packed content is damaged", error);
  } finally {
    source.destroy();
    out.destroy();
    end.destroy();
  }
}

/** Finds where frames end by the headers of their blocks. */
class FrameReader {
  readonly #input: AsyncIterator<Uint8Array>;
  readonly #meter: Meter;
  #rest: Uint8Array = Buffer.alloc(0);

  constructor(input: AsyncIterable<Uint8Array>, meter: Meter) {
    this.#input = input[Symbol.asyncIterator]();
    this.#meter = meter;
  }

  /** At the next frame with content; false at the end of the file. */
  async beginFrame(): Promise<boolean> {
    for (;;) {
      if (!(await this.#fill())) return false;
      const magic = (await this.#peek(4)).readUInt32LE(0);
      if (magic === MAGIC) return true;
      if (magic - (magic % 16) !== SKIPPABLE) throw this.#meter.corrupt("something that is no zstd frame follows");
      const head = await this.#bytes(8);
      for await (const _ of this.#exactly(head.readUInt32LE(4)));
    }
  }

  /** The bytes of one frame: header, blocks, checksum. */
  async *frame(): AsyncIterable<Uint8Array> {
    const start = await this.#bytes(5);
    yield start;
    const descriptor = start[4] ?? 0;
    const single = Math.floor(descriptor / 32) % 2 === 1;
    const dictionary = [0, 1, 2, 4][descriptor % 4] ?? 0;
    const content = [single ? 1 : 0, 2, 4, 8][Math.floor(descriptor / 64)] ?? 0;
    const more = (single ? 0 : 1) + dictionary + content;
    if (more > 0) yield await this.#bytes(more);
    for (let last = false; !last; ) {
      const head = await this.#bytes(3);
      yield head;
      const bits = head.readUIntLE(0, 3);
      last = bits % 2 === 1;
      // A run-length block has one byte, whatever size it unfolds to.
      yield* this.#exactly(Math.floor(bits / 2) % 4 === 1 ? 1 : Math.floor(bits / 8));
    }
    if (Math.floor(descriptor / 4) % 2 === 1) yield await this.#bytes(4);
  }

  async close(): Promise<void> {
    await this.#input.return?.();
  }

  async *#exactly(length: number): AsyncIterable<Uint8Array> {
    for (let left = length; left > 0; ) {
      if (!(await this.#fill())) throw this.#meter.truncated();
      const part = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }

  async #bytes(length: number): Promise<Buffer> {
    const bytes = Buffer.from(await this.#peek(length));
    this.#rest = this.#rest.subarray(length);
    return bytes;
  }

  async #peek(length: number): Promise<Buffer> {
    while (this.#rest.length < length) {
      const before = this.#rest;
      this.#rest = Buffer.alloc(0);
      if (!(await this.#fill())) throw this.#meter.truncated();
      this.#rest = Buffer.concat([before, this.#rest]);
    }
    const { buffer, byteOffset } = this.#rest;
    return Buffer.from(buffer, byteOffset, length);
  }

  /** False at the end of the input. */
  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#input.next();
      if (next.done === true) return false;
      this.#rest = next.value;
    }
    return true;
  }
}
