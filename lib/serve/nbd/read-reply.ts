/** The bytes of reads, with their holes, and where those are. */
import { pieces } from "../buffer-pool.ts";
import type { VirtualFile } from "../virtual-file.ts";
import type { Negotiated } from "./handshake.ts";
import { CHUNK, CMD_FLAG, STATE_HOLE, STATE_ZERO } from "./protocol.ts";
import { chunk, simple, type Request } from "./request.ts";

/** Holes shorter than this are sent as zeros: a chunk of its own costs more. */
const MIN_HOLE = 4096;
/** Descriptors of one block status; clients ask on from where the answer ends. */
const MAX_DESCRIPTORS = 4096;
const MAX_U32 = 0xffffffff;

/** Neighbouring stretches of one kind as one, cut to [from, to). */
function* runs(
  file: VirtualFile,
  from: number,
  to: number,
  shortest: number,
): Iterable<{ at: number; length: number; zero: boolean }> {
  let open: { at: number; length: number; zero: boolean } | null = null;
  for (const stretch of file.stretches(from, to)) {
    const at = Math.max(stretch.at, from);
    const length = Math.min(stretch.at + stretch.length, to) - at;
    if (length <= 0) continue;
    const zero = stretch.zero && length >= shortest;
    if (open !== null && open.zero === zero) open.length += length;
    else {
      if (open !== null) yield open;
      open = { at, length, zero };
    }
  }
  if (open !== null) yield open;
}

export interface ReadStretches {
  readonly from: number;
  /** Of all; where a stretch is zero, whatever was in it before. Goes back to the pool when it is sent. */
  readonly memory: Buffer;
  readonly stretches: readonly { readonly at: number; readonly length: number; readonly zero: boolean }[];
}

/** `whole`: as one stretch of data, whatever lies in it. */
export async function readStretches(
  file: VirtualFile,
  from: number,
  to: number,
  whole: boolean,
  signal: AbortSignal,
): Promise<ReadStretches> {
  const stretches = whole ? [{ at: from, length: to - from, zero: false }] : [...runs(file, from, to, MIN_HOLE)];
  const memory = pieces.take(to - from);
  const reads = stretches
    .filter(({ zero }) => !zero)
    .map(({ at, length }) => file.read(at, memory.subarray(at - from, at - from + length), signal));
  // All of them, even after a failure: the memory is used again.
  const results = await Promise.allSettled(reads);
  for (const result of results) {
    if (result.status === "rejected") {
      pieces.give(memory);
      throw result.reason;
    }
  }
  return { from, memory, stretches };
}

export async function sendRead(
  { bytes, structured }: Negotiated,
  batch: readonly Request[],
  { from, memory, stretches }: ReadStretches,
): Promise<void> {
  const parts: Buffer[] = [];
  let i = 0;
  for (const request of batch) {
    const at = Number(request.offset);
    const to = at + request.length;
    if (!structured) {
      parts.push(simple(request, 0), memory.subarray(at - from, to - from));
      continue;
    }
    for (let done = at; done < to; ) {
      const stretch = stretches[i];
      if (stretch === undefined) throw new Error("a piece is missing");
      const end = Math.min(to, stretch.at + stretch.length);
      const where = Buffer.alloc(stretch.zero ? 12 : 8);
      where.writeBigUInt64BE(BigInt(done));
      if (stretch.zero) {
        where.writeUInt32BE(end - done, 8);
        parts.push(chunk(request, CHUNK.hole, 12, end === to), where);
      } else {
        parts.push(
          chunk(request, CHUNK.data, 8 + end - done, end === to),
          where,
          memory.subarray(done - from, end - from),
        );
      }
      if (end === stretch.at + stretch.length) i++;
      done = end;
    }
  }
  await bytes.sendThen(parts, () => pieces.give(memory));
}

export async function sendStatus(
  { bytes }: Negotiated,
  file: VirtualFile,
  request: Request,
  context: number,
): Promise<void> {
  const from = Number(request.offset);
  const to = from + request.length;
  const most = (request.flags & CMD_FLAG.one) === 0 ? MAX_DESCRIPTORS : 1;
  const body = [Buffer.alloc(4)];
  body[0]?.writeUInt32BE(context);
  for (const { length, zero } of runs(file, from, to, 1)) {
    const descriptor = Buffer.alloc(8);
    descriptor.writeUInt32BE(Math.min(length, MAX_U32));
    descriptor.writeUInt32BE(zero ? STATE_HOLE | STATE_ZERO : 0, 4);
    if (body.push(descriptor) > most) break;
  }
  const payload = Buffer.concat(body);
  await bytes.send(chunk(request, CHUNK.blockStatus, payload.length, true), payload);
}
