/** The bytes of one request, behind those that are here already. */
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { AppError } from "#lib/errors.ts";

export interface UploadPace {
  /** A sender that is silent so long is gone; what came stays, and it goes on from there. */
  readonly silenceMs: number;
  /** An upload may take days, but not by a byte now and then: it holds a connection and an open file. */
  readonly windowMs: number;
  readonly bytesPerWindow: number;
}

const PACE: UploadPace = { silenceMs: 60_000, windowMs: 60_000, bytesPerWindow: 64 * 1024 };

/**
 * Answers the new length of the file. A body that breaks off is no error of the file's: what came is kept, and
 * the throw (`upload.interrupted`, `upload.too-slow`) is for the log. Throws `upload.overlong`, `library.full`.
 */
export async function appendBody(
  body: Readable,
  path: string,
  offset: number,
  size: number,
  signal: AbortSignal,
  pace: UploadPace = PACE,
): Promise<number> {
  await using file = await open(path, "r+");
  let at = offset;
  const stop = () =>
    body.destroy(new AppError("cancelled", "upload.interrupted", "The upload goes on in another request."));
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

function wordsFor(error: unknown): unknown {
  if (error instanceof AppError) return error;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new AppError(
      "unprocessable",
      "library.full",
      "The disk of the library is full; the upload stands where it is.",
      {
        hint: "Make room, then go on with the upload.",
        cause: error,
      },
    );
  }
  if (code === "ECONNRESET" || code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ABORT_ERR") {
    return new AppError("unavailable", "upload.interrupted", "The connection broke off.", { cause: error });
  }
  return error;
}
