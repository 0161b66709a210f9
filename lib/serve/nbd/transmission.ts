/** Requests and replies of a read-only export. */
import { AppError } from "#lib/errors.ts";
import { pieces } from "../buffer-pool.ts";
import type { VirtualFile } from "../virtual-file.ts";
import { NbdRefusal, type Negotiated } from "./handshake.ts";
import {
  CHUNK,
  CHUNK_DONE,
  CMD,
  CMD_FLAG,
  ERROR,
  MAX_READ,
  REQUEST,
  SIMPLE_REPLY,
  STATE_HOLE,
  STATE_ZERO,
  STRUCTURED_REPLY,
} from "./protocol.ts";

/** Requests that are answered at the same time, and the bytes that they may hold together. */
const MAX_IN_FLIGHT = 16;
const MAX_BYTES_IN_FLIGHT = 64 * 1024 * 1024;
/** Holes shorter than this are sent as zeros: a chunk of its own costs more. */
const MIN_HOLE = 4096;
/** Descriptors of one block status; clients ask on from where the answer ends. */
const MAX_DESCRIPTORS = 4096;
const MAX_U32 = 0xffffffff;

interface Request {
  readonly flags: number;
  readonly type: number;
  readonly cookie: Buffer;
  readonly offset: bigint;
  readonly length: number;
}

/** Until the client disconnects. Rejects with PeerGone or NbdRefusal; a read that fails is told and logged only. */
export async function transmit(
  negotiated: Negotiated,
  file: VirtualFile,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<void> {
  const { bytes } = negotiated;
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const running = new Set<Promise<void>>();
  let held = 0;
  try {
    for (;;) {
      const head = await bytes.take(28);
      if (head.readUInt32BE() !== REQUEST) throw new NbdRefusal("a request does not begin with its magic");
      const request: Request = {
        flags: head.readUInt16BE(4),
        type: head.readUInt16BE(6),
        cookie: Buffer.from(head.subarray(8, 16)),
        offset: head.readBigUInt64BE(16),
        length: head.readUInt32BE(24),
      };
      if (request.type === CMD.disconnect) return;
      // Its bytes follow whether it is welcome or not.
      if (request.type === CMD.write) await bytes.skip(request.length);
      const holds = request.type === CMD.read ? Math.min(request.length, MAX_READ) : 0;
      while (running.size >= MAX_IN_FLIGHT || (running.size > 0 && held + holds > MAX_BYTES_IN_FLIGHT))
        await Promise.race(running);
      held += holds;
      const work = answer(negotiated, file, request, either, onError)
        // Nobody is left to be answered: the next take() ends the connection.
        .catch(() => bytes.socket.destroy())
        .then(() => {
          held -= holds;
          running.delete(work);
        });
      running.add(work);
    }
  } finally {
    stop.abort();
    await Promise.allSettled(running);
  }
}

async function answer(
  negotiated: Negotiated,
  file: VirtualFile,
  request: Request,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<void> {
  const { structured, allocation } = negotiated;
  const end = request.offset + BigInt(request.length);
  const inside = end <= BigInt(file.length);
  switch (request.type) {
    case CMD.read: {
      if (request.length > MAX_READ) return fail(negotiated, request, ERROR.overflow, "More than 32 MiB at once.");
      if (!inside) return fail(negotiated, request, ERROR.invalid, "Past the end of the export.");
      try {
        await (structured
          ? sendChunks(negotiated, file, request, signal)
          : sendSimple(negotiated, file, request, signal));
      } catch (error) {
        if (signal.aborted || negotiated.bytes.socket.destroyed) throw error;
        onError(error);
        await fail(
          negotiated,
          request,
          ERROR.io,
          error instanceof AppError ? error.message : "The disk cannot be read.",
        );
      }
      return;
    }
    case CMD.blockStatus: {
      if (!structured || allocation === null || !inside || request.length === 0)
        return fail(negotiated, request, ERROR.invalid, "Not agreed on, or past the end of the export.");
      return sendStatus(negotiated, file, request, allocation);
    }
    case CMD.flush:
      return done(negotiated, request);
    case CMD.cache:
      return inside
        ? done(negotiated, request)
        : fail(negotiated, request, ERROR.invalid, "Past the end of the export.");
    case CMD.write:
    case CMD.trim:
    case CMD.writeZeroes:
      return fail(negotiated, request, ERROR.perm, "The export is read-only.");
    default:
      return fail(negotiated, request, ERROR.invalid, "An unknown command.");
  }
}

function simple(request: Request, error: number): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32BE(SIMPLE_REPLY);
  head.writeUInt32BE(error, 4);
  request.cookie.copy(head, 8);
  return head;
}

function chunk(request: Request, type: number, length: number, last: boolean): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt32BE(STRUCTURED_REPLY);
  head.writeUInt16BE(last ? CHUNK_DONE : 0, 4);
  head.writeUInt16BE(type, 6);
  request.cookie.copy(head, 8);
  head.writeUInt32BE(length, 16);
  return head;
}

function done({ bytes, structured }: Negotiated, request: Request): Promise<void> {
  return bytes.send(structured ? chunk(request, CHUNK.none, 0, true) : simple(request, 0));
}

function fail({ bytes, structured }: Negotiated, request: Request, error: number, why: string): Promise<void> {
  if (!structured) return bytes.send(simple(request, error));
  const text = Buffer.from(why).subarray(0, 1024);
  const body = Buffer.alloc(6);
  body.writeUInt32BE(error);
  body.writeUInt16BE(text.length, 4);
  return bytes.send(chunk(request, CHUNK.error, 6 + text.length, true), body, text);
}

async function sendSimple(
  { bytes }: Negotiated,
  file: VirtualFile,
  request: Request,
  signal: AbortSignal,
): Promise<void> {
  const data = Buffer.allocUnsafe(request.length);
  await file.read(Number(request.offset), data, signal);
  await bytes.send(simple(request, 0), data);
}

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

async function sendChunks(
  negotiated: Negotiated,
  file: VirtualFile,
  request: Request,
  signal: AbortSignal,
): Promise<void> {
  const { bytes } = negotiated;
  const from = Number(request.offset);
  const to = from + request.length;
  if (request.length === 0) return done(negotiated, request);
  // "Don't fragment": one chunk, whatever lies in it.
  const whole = (request.flags & CMD_FLAG.dontFragment) !== 0;
  const stretches = whole ? [{ at: from, length: request.length, zero: false }] : [...runs(file, from, to, MIN_HOLE)];
  const read = await Promise.allSettled(
    stretches.map(async ({ at, length, zero }) => {
      if (zero) return null;
      const data = pieces.take(length);
      await file.read(at, data, signal);
      return data;
    }),
  );
  const parts: Buffer[] = [];
  for (const [i, piece] of stretches.entries()) {
    const result = read[i];
    if (result === undefined || result.status === "rejected") throw result?.reason ?? new Error("a piece is missing");
    const last = i === stretches.length - 1;
    const where = Buffer.alloc(piece.zero ? 12 : 8);
    where.writeBigUInt64BE(BigInt(piece.at));
    if (result.value === null) {
      where.writeUInt32BE(piece.length, 8);
      parts.push(chunk(request, CHUNK.hole, 12, last), where);
    } else {
      parts.push(chunk(request, CHUNK.data, 8 + piece.length, last), where, result.value);
    }
  }
  await bytes.sendThen(parts, () => {
    for (const result of read) if (result.status === "fulfilled" && result.value !== null) pieces.give(result.value);
  });
}

async function sendStatus({ bytes }: Negotiated, file: VirtualFile, request: Request, context: number): Promise<void> {
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
