/**
 * Unpacking of granules (clusters, grains) into buffers that the caller owns: on the thread that calls, or off it, a few
 * at a time. By libdeflate and libzstd where they are, by Node's zlib where not.
 */
import { codecs, made, type Contexts } from "./contexts.ts";
import type { Deflate, Wrapper, Zstd } from "./native.ts";
import { nodeInflate, nodeInflateNow, nodeUnzstd, nodeUnzstdNow } from "./node-zlib.ts";

/** Below this many bytes a call on this thread takes less than handing it to another. */
const HERE_BYTES = 8192;

/**
 * Unpacks one deflate stream to the start of `into` and answers how many bytes that were; what follows the stream is
 * passed over. Rejects with an Error that has no words for a person when the stream is damaged or `into` too small.
 */
export async function inflate(packed: Uint8Array, into: Uint8Array, wrapper: Wrapper): Promise<number> {
  if (into.length <= HERE_BYTES) return inflateNow(packed, into, wrapper);
  const { deflate: native, lanes } = codecs();
  if (native !== null) {
    const found = await lanes.run(async (lane) => {
      const args = inflateArgs(native, lane, packed, into);
      const call = (done: Done<number>) => native.decompress[wrapper].async(...args, done);
      return inflated(lane, await settled(call, packed, into));
    });
    if (found !== null) return found;
  }
  return copy(await lanes.run(async () => nodeInflate(packed, wrapper, into.length)), into);
}

/** The same, done when it returns. Throws where `inflate` rejects. */
export function inflateNow(packed: Uint8Array, into: Uint8Array, wrapper: Wrapper): number {
  const { deflate: native, lanes } = codecs();
  if (native !== null) {
    const found = lanes.now((lane) =>
      inflated(lane, native.decompress[wrapper](...inflateArgs(native, lane, packed, into))),
    );
    if (found !== null) return found;
  }
  return copy(nodeInflateNow(packed, wrapper, into.length), into);
}

function inflateArgs(native: Deflate, lane: Contexts, packed: Uint8Array, into: Uint8Array) {
  lane.inflater ??= made(native.newDecompressor());
  return [lane.inflater, packed, packed.length, into, into.length, lane.used, lane.made] as const;
}

/** null: zlib is the judge of what is damaged. It takes streams without an end, and it says what is wrong. */
function inflated(lane: Contexts, outcome: number): number | null {
  return outcome === 0 ? Number(lane.made.readBigUInt64LE()) : null;
}

/** Unpacks whole zstd frames, nothing behind them, to the start of `into`; answers and rejects as `inflate` does. */
export async function unzstd(packed: Uint8Array, into: Uint8Array): Promise<number> {
  if (into.length <= HERE_BYTES) return unzstdNow(packed, into);
  const { zstd: native, lanes } = codecs();
  if (native === null) return copy(await lanes.run(async () => nodeUnzstd(packed, into.length)), into);
  return lanes.run(async (lane) => {
    const args = unzstdArgs(native, lane, packed, into);
    const call = (done: Done<number | bigint>) => native.decompress.async(...args, done);
    return size(await settled(call, packed, into), into.length);
  });
}

/** The same, done when it returns. Throws where `unzstd` rejects. */
export function unzstdNow(packed: Uint8Array, into: Uint8Array): number {
  const { zstd: native, lanes } = codecs();
  if (native === null) return copy(nodeUnzstdNow(packed, into.length), into);
  return lanes.now((lane) => size(native.decompress(...unzstdArgs(native, lane, packed, into)), into.length));
}

function unzstdArgs(native: Zstd, lane: Contexts, packed: Uint8Array, into: Uint8Array) {
  lane.unzstd ??= made(native.newDecompressor());
  return [lane.unzstd, into, into.length, packed, packed.length] as const;
}

type Done<R> = (error: unknown, result: R) => void;

/** `held` are the buffers that a pool thread works on: this closure keeps them until it is done. */
function settled<R>(start: (done: Done<R>) => void, ...held: Uint8Array[]): Promise<R> {
  return new Promise((resolve, reject) =>
    start((error, result) => {
      held.length = 0;
      if (error === null || error === undefined) resolve(result);
      else reject(error instanceof Error ? error : new Error("a call into a library failed"));
    }),
  );
}

/** A size_t of libzstd. */
function size(result: number | bigint, room: number): number {
  if (typeof result === "bigint" || result > room) throw new Error("zstd refused the data");
  return result;
}

function copy(bytes: Uint8Array, into: Uint8Array): number {
  into.set(bytes);
  return bytes.length;
}
