/** A disk of the pool as it passes by: as VHD, where only what is stored travels, or raw from front to back. */
import type { DiskPiece, DiskStream } from "#lib/disk/disk-stream.ts";
import { openForwardBytes } from "#lib/disk/forward/open-forward.ts";
import { dataParts } from "#lib/disk/zeros.ts";
import { AppError } from "#lib/errors.ts";
import { ExportedBytes } from "./exported-bytes.ts";
import type { XapiSession } from "./session.ts";

export interface ExportOptions {
  readonly vdi: string;
  readonly format: "raw" | "vhd";
  /** Bytes of the disk; what the repository rounded it up by is left out. */
  readonly size: number;
  readonly doing: string;
  readonly stallMs: number;
  readonly signal?: AbortSignal;
}

/** Zeros shorter than this are handed on as data. */
const SHORTEST_GAP = 65_536;

/** Disposing it ends the export on the host too. */
export async function openExport(session: XapiSession, options: ExportOptions): Promise<DiskStream> {
  const { size, doing } = options;
  const bytes = new ExportedBytes(session, {
    path: "/export_raw_vdi",
    query: { vdi: options.vdi, format: options.format },
    doing,
    stallMs: options.stallMs,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  if (options.format === "raw") return { ...rawStream(bytes, size), [Symbol.asyncDispose]: () => bytes.end() };
  try {
    const image = await openForwardBytes("vhd", bytes.all(), {
      name: doing,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    if (image.size < size) throw truncated(doing, session.name, image.size, size);
    return {
      size,
      order: image.order,
      async *pieces(signal) {
        for await (const { offset, bytes: part } of image.pieces(signal))
          if (offset < size) yield { offset, bytes: part.subarray(0, size - offset) };
      },
      async [Symbol.asyncDispose]() {
        await bytes.end();
        await image[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await bytes.end();
    throw error;
  }
}

function rawStream(bytes: ExportedBytes, size: number): Pick<DiskStream, "size" | "order" | "pieces"> {
  async function* pieces(signal?: AbortSignal): AsyncIterable<DiskPiece> {
    let at = 0;
    for await (const part of bytes.all(signal)) {
      const wanted = part.subarray(0, Math.max(0, Math.min(part.length, size - at)));
      for (const [start, end] of dataParts(wanted, at, SHORTEST_GAP))
        yield { offset: at + start, bytes: wanted.subarray(start, end) };
      at += part.length;
    }
    if (at < size) throw truncated(bytes.doing, bytes.name, at, size);
  }
  return { size, order: "forward", pieces };
}

function truncated(doing: string, name: string, sent: number, size: number): AppError {
  return new AppError("unavailable", "host.truncated", `${doing}: ${name} sent ${sent} of ${size} bytes.`, {
    hint: "Try again; if it stays, look at the storage repository.",
  });
}
