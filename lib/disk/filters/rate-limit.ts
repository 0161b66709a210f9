/** Bytes no faster than asked: to spare a host's network, and to give tests time to interfere. */
import { setTimeout as delay } from "node:timers/promises";
import type { BlockSource } from "../block-source.ts";
import type { ByteSink, ByteSource } from "../io.ts";
import { replaceMethod } from "./replace-method.ts";

/** Each piece waits until all before it have had their time. */
function pace(bytesPerSecond: number): (bytes: number, signal: AbortSignal | undefined) => Promise<void> {
  let free = 0;
  return async (bytes, signal) => {
    const now = performance.now();
    const start = Math.max(now, free);
    free = start + (bytes / bytesPerSecond) * 1000;
    if (start > now) await delay(start - now, undefined, signal === undefined ? {} : { signal });
  };
}

export function slowReads<T extends ByteSource | BlockSource>(source: T, bytesPerSecond: number): T {
  const wait = pace(bytesPerSecond);
  const read: ByteSource["read"] = async (at, into, signal) => {
    await wait(into.length, signal);
    await source.read(at, into, signal);
  };
  return replaceMethod<ByteSource | BlockSource, "read">(source, "read", read) as T;
}

export function slowWrites<T extends ByteSink>(sink: T, bytesPerSecond: number): T {
  const wait = pace(bytesPerSecond);
  const write: ByteSink["write"] = async (at, from, signal) => {
    await wait(from.length, signal);
    await sink.write(at, from, signal);
  };
  return replaceMethod<ByteSink, "write">(sink, "write", write) as T;
}
