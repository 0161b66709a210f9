/** Faults on demand: a medium that breaks at one place, a peer that dies in the middle of an upload. */
import type { BlockSource } from "../block-source.ts";
import type { ByteSink, ByteSource } from "../io.ts";
import { replaceMethod } from "./replace-method.ts";

/** Every read that touches the byte at `offset` throws `error`. */
export function failReadsAt<T extends ByteSource | BlockSource>(source: T, offset: number, error: Error): T {
  const read: ByteSource["read"] = async (at, into, signal) => {
    if (at <= offset && offset < at + into.length) throw error;
    await source.read(at, into, signal);
  };
  return replaceMethod<ByteSource | BlockSource, "read">(source, "read", read) as T;
}

/** Once `bytes` have been written, the next write, and each after it, throws `error`. */
export function failWritesAfter<T extends ByteSink>(sink: T, bytes: number, error: Error): T {
  let written = 0;
  const write: ByteSink["write"] = async (at, from, signal) => {
    if (written + from.length > bytes) throw error;
    written += from.length;
    await sink.write(at, from, signal);
  };
  return replaceMethod<ByteSink, "write">(sink, "write", write) as T;
}
