/** SHA-256 of a file, and in the same pass what a manifest promises of its parts. */
import { createHash } from "node:crypto";
import type { PromisedDigest } from "#lib/disk/containers/container.ts";
import { manifestMismatch } from "#lib/disk/containers/digest-check.ts";
import { openPlainFile } from "./plain-file.ts";

const CHUNK = 4 * 1024 * 1024;

export interface HashedFile {
  /** Hex. */
  readonly sha256: string;
  /** Bytes that were hashed. */
  readonly size: number;
}

/** Throws `image.manifest-mismatch` once the file has passed, `io.*`. */
export async function hashFile(
  path: string,
  promised: readonly PromisedDigest[],
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<HashedFile> {
  const hash = createHash("sha256");
  const parts = promised.map((promise) => ({ promise, hash: createHash(promise.algorithm) }));
  await using file = await openPlainFile(path);
  // Two buffers: one is read while the other is hashed.
  let current = Buffer.allocUnsafe(CHUNK);
  let next = Buffer.allocUnsafe(CHUNK);
  let { bytesRead } = await file.read(current, 0, CHUNK, 0);
  let at = bytesRead;
  while (bytesRead > 0) {
    signal.throwIfAborted();
    const ahead = file.read(next, 0, CHUNK, at);
    ahead.catch(() => undefined);
    const start = at - bytesRead;
    hash.update(current.subarray(0, bytesRead));
    for (const part of parts) {
      const from = Math.max(part.promise.at - start, 0);
      const to = Math.min(part.promise.at + part.promise.length - start, bytesRead);
      if (from < to) part.hash.update(current.subarray(from, to));
    }
    onBytes(bytesRead);
    bytesRead = (await ahead).bytesRead;
    at += bytesRead;
    [current, next] = [next, current];
  }
  for (const { promise, hash: of } of parts) {
    const found = of.digest("hex");
    if (found !== promise.digest) throw manifestMismatch(promise, found);
  }
  return { sha256: hash.digest("hex"), size: at };
}
