/** Requests and replies of a read-only export. */
import { AppError } from "#lib/errors.ts";
import type { VirtualFile } from "../virtual-file.ts";
import type { Negotiated } from "./handshake.ts";
import { CMD, CMD_FLAG, ERROR, MAX_READ } from "./protocol.ts";
import { readStretches, sendRead, sendStatus, type ReadStretches } from "./read-reply.ts";
import { done, fail, REQUEST_BYTES, takeRequest, type Request } from "./request.ts";

/** Requests that are answered at the same time, and the bytes that they may hold together. */
const MAX_IN_FLIGHT = 16;
const MAX_BYTES_IN_FLIGHT = 64 * 1024 * 1024;
/** Reads that follow one another and are here already are one read of the file: its way through the pool costs more than its bytes. */
const MAX_BATCH = 2 * 1024 * 1024;

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
  let next: Request | null = null;
  try {
    for (;;) {
      const request: Request = next ?? (await takeRequest(bytes));
      next = null;
      if (request.type === CMD.disconnect) return;
      // Its bytes follow whether it is welcome or not.
      if (request.type === CMD.write) await bytes.skip(request.length);
      const batch = [request];
      let holds = request.type === CMD.read ? Math.min(request.length, MAX_READ) : 0;
      while (isPlainRead(request, file) && bytes.buffered >= REQUEST_BYTES) {
        const following = await takeRequest(bytes);
        if (!isPlainRead(following, file) || !follows(batch, following) || holds + following.length > MAX_BATCH) {
          next = following;
          break;
        }
        batch.push(following);
        holds += following.length;
      }
      while (running.size >= MAX_IN_FLIGHT || (running.size > 0 && held + holds > MAX_BYTES_IN_FLIGHT))
        await Promise.race(running);
      held += holds;
      const work = (
        batch.length > 1
          ? answerBatch(negotiated, file, batch, either, onError)
          : answer(negotiated, file, request, either, onError)
      )
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

/** One that can share its read with others. */
function isPlainRead({ type, flags, length, offset }: Request, file: VirtualFile): boolean {
  return (
    type === CMD.read &&
    flags === 0 &&
    length > 0 &&
    length < MAX_BATCH &&
    offset + BigInt(length) <= BigInt(file.length)
  );
}

function follows(batch: readonly Request[], request: Request): boolean {
  const last = batch.at(-1);
  return last !== undefined && last.offset + BigInt(last.length) === request.offset;
}

async function answerBatch(
  negotiated: Negotiated,
  file: VirtualFile,
  batch: readonly Request[],
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<void> {
  let read: ReadStretches;
  try {
    read = await readStretches(file, Number(batch[0]?.offset), endOf(batch), !negotiated.structured, signal);
  } catch (error) {
    if (signal.aborted || negotiated.bytes.socket.destroyed) throw error;
    // Which of them it was shows when each is read by itself.
    for (const request of batch) await answer(negotiated, file, request, signal, onError);
    return;
  }
  await sendRead(negotiated, batch, read);
}

function endOf(batch: readonly Request[]): number {
  const last = batch.at(-1);
  return last === undefined ? 0 : Number(last.offset) + last.length;
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
        if (request.length === 0) return await done(negotiated, request);
        const whole = !structured || (request.flags & CMD_FLAG.dontFragment) !== 0;
        const read = await readStretches(file, Number(request.offset), Number(end), whole, signal);
        await sendRead(negotiated, [request], read);
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
