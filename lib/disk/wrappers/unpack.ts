/** Packed bytes as they come → the bytes inside, checked by the packing's own checksums. */
import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createInflateRaw } from "node:zlib";
import { AppError } from "#lib/errors.ts";
import { isZero } from "../zeros.ts";
import { unbzip2 } from "./bzip2.ts";
import { inflate64 } from "./deflate64.ts";
import type { Meter, StreamPacking } from "./packing.ts";
import { unxz } from "./xz.ts";
import { unzstd } from "./zstd.ts";

/** Of one piece that comes out. Bytes. */
export const CHUNK = 262_144;

/**
 * Input buffers must not be used again by whoever gives them. Throws `image.corrupt`, `image.truncated` and
 * `image.unfolds-too-far`, with the byte of the packed file in `details.offset`, and what the input throws.
 */
export async function* unpack(
  packing: StreamPacking | "deflate" | "deflate64",
  input: AsyncIterable<Uint8Array>,
  meter: Meter,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  const metered = measured(input, meter, signal);
  const inner =
    packing === "xz"
      ? unxz(metered, meter)
      : packing === "zstd"
        ? unzstd(metered, meter)
        : packing === "bzip2"
          ? unbzip2(metered, meter)
          : packing === "deflate64"
            ? inflate64(metered, meter)
            : through(metered, packing === "gzip" ? createGunzip(ZLIB) : createInflateRaw(ZLIB), meter);
  for await (const bytes of inner) {
    signal?.throwIfAborted();
    meter.give(bytes.length, isZero(bytes));
    yield bytes;
  }
}

const ZLIB = { chunkSize: CHUNK };

async function* measured(
  input: AsyncIterable<Uint8Array>,
  meter: Meter,
  signal: AbortSignal | undefined,
): AsyncIterable<Uint8Array> {
  for await (const bytes of input) {
    signal?.throwIfAborted();
    meter.taken += bytes.length;
    yield bytes;
  }
}

/** Through one of Node's own, whose errors become ours. Several gzip members behind one another are one file. */
async function* through(
  input: AsyncIterable<Uint8Array>,
  transform: Transform,
  meter: Meter,
): AsyncIterable<Uint8Array> {
  const source = Readable.from(input, { objectMode: false });
  // What fails shows where the output is read.
  const done = pipeline(source, transform).catch(() => undefined);
  try {
    for await (const bytes of transform as AsyncIterable<Buffer>) yield bytes;
  } catch (error) {
    throw ours(error, meter);
  } finally {
    transform.destroy();
    source.destroy();
    await done;
  }
}

/** The input's own errors stay what they are. */
export function ours(error: unknown, meter: Meter): unknown {
  if (!(error instanceof Error) || error instanceof AppError || error.name === "AbortError") return error;
  const code = "code" in error ? String(error.code) : "";
  if (code === "Z_BUF_ERROR") return meter.truncated();
  return code.startsWith("Z_") || code.startsWith("ZSTD") || code.startsWith("ERR_ZSTD")
    ? meter.corrupt("its packed content is damaged", error)
    : error;
}
