/** The bytes of one request, behind those that are here already. */
import { constants } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { Readable } from "node:stream";
import { AppError } from "#lib/errors.ts";
import { openPlainFile } from "../plain-file.ts";
import { RESERVE } from "../space.ts";

export interface UploadPace {
  /** A sender that is silent so long is gone; what came stays, and it goes on from there. */
  readonly silenceMs: number;
  /** An upload may take days, but not by a byte now and then: it holds a connection and an open file. */
  readonly windowMs: number;
  readonly bytesPerWindow: number;
}

const PACE: UploadPace = { silenceMs: 60_000, windowMs: 60_000, bytesPerWindow: 64 * 1024 };
/** Bytes between two looks at the free room. */
const LOOK_EVERY = 64 * 1024 * 1024;

/**
 * Answers the new length of the file. A body that breaks off is no error of the file's: what came is kept, and the
 * throw (`upload.interrupted`, `upload.too-slow`) is for the log. Throws `upload.wrong-offset`, `upload.overlong`,
 * `library.full`.
 */
export async function appendBody(
  body: Readable,
  path: string,
  offset: number,
  size: number,
  signal: AbortSignal,
  pace: UploadPace = PACE,
): Promise<number> {
  await using file = await openPlainFile(path, constants.O_RDWR);
  // By the open file: what the path held when it was asked may not be what is written to.
  const there = (await file.stat()).size;
  if (there !== offset) throw wrongOffset(there, offset);
  let at = offset;
  let unseen = LOOK_EVERY;
  const stop = () =>
    body.destroy(
      signal.reason instanceof AppError
        ? signal.reason
        : new AppError("cancelled", "upload.interrupted", "The upload goes on in another request."),
    );
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  const silence = setTimeout(
    () => body.destroy(new AppError("unavailable", "upload.interrupted", "The sender fell silent.")),
    pace.silenceMs,
  );
  let windowFrom = at;
  const window = setInterval(() => {
    // Only what the sender did not send counts against it: while the disk is slow, bytes wait here.
    if (at - windowFrom < pace.bytesPerWindow && body.readableLength === 0)
      body.destroy(new AppError("unavailable", "upload.too-slow", "The bytes of the upload come too slowly."));
    windowFrom = at;
  }, pace.windowMs);
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      silence.refresh();
      if (at + chunk.length > size) {
        throw new AppError("invalid", "upload.overlong", "More bytes came than the upload was said to have.", {
          details: { size },
        });
      }
      unseen += chunk.length;
      if (unseen >= LOOK_EVERY) {
        unseen = chunk.length;
        await requireReserve(path);
      }
      for (let done = 0; done < chunk.length; ) {
        const { bytesWritten } = await file.write(chunk, done, chunk.length - done, at);
        done += bytesWritten;
        at += bytesWritten;
      }
    }
    await file.datasync();
    return at;
  } catch (error) {
    throw wordsFor(error);
  } finally {
    clearTimeout(silence);
    clearInterval(window);
    signal.removeEventListener("abort", stop);
  }
}

export function wrongOffset(there: number, asked: number): AppError {
  return new AppError("conflict", "upload.wrong-offset", `The upload stands at byte ${there}, not at ${asked}.`, {
    hint: "Ask for its offset, and go on from there.",
    details: { offset: there },
  });
}

/** The last of the disk is the database's: filled to the brim, it could write no more. */
async function requireReserve(path: string): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path));
  if (bavail * bsize - LOOK_EVERY < RESERVE) throw full(undefined);
}

function full(cause: unknown): AppError {
  return new AppError(
    "unprocessable",
    "library.full",
    "The disk of the library is full; the upload stands where it is.",
    { hint: "Make room, then go on with the upload.", cause },
  );
}

function wordsFor(error: unknown): unknown {
  if (error instanceof AppError) return error;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOSPC" || code === "EDQUOT") return full(error);
  if (code === "ECONNRESET" || code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ABORT_ERR") {
    return new AppError("unavailable", "upload.interrupted", "The connection broke off.", { cause: error });
  }
  return error;
}
