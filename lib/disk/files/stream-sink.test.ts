import { PassThrough, Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { expect, it } from "vitest";
import { createStreamSink } from "./stream-sink.ts";

it("gaps become zeros, also the last one", async () => {
  const out = new PassThrough({ highWaterMark: 1000 });
  const all = buffer(out);
  await using sink = createStreamSink(out);
  await sink.write(3, Buffer.from("abc"));
  await sink.write(500_000, Buffer.from("d"));
  await sink.commit(500_010);
  const expected = Buffer.alloc(500_010);
  expected.write("abc", 3);
  expected.write("d", 500_000);
  expect((await all).equals(expected)).toBe(true);
});

it("never goes back, and never ends before what it sent", async () => {
  const out = new PassThrough();
  out.resume();
  await using sink = createStreamSink(out);
  await sink.write(0, Buffer.alloc(10));
  await expect(sink.write(5, Buffer.alloc(1))).rejects.toMatchObject({ code: "io.went-back" });
  await expect(sink.commit(5)).rejects.toMatchObject({ code: "io.went-back" });
});

it("a reader that leaves fails the write instead of hanging it", async () => {
  const out = new Writable({ write: () => undefined });
  await using sink = createStreamSink(out);
  const write = sink.write(0, Buffer.alloc(10));
  out.destroy();
  await expect(write).rejects.toMatchObject({ code: "io.failed" });
  await expect(sink.write(10, Buffer.alloc(1))).rejects.toMatchObject({ code: "io.failed" });
});

it("an abort frees a write that nobody takes", async () => {
  const out = new Writable({ write: () => undefined });
  await using sink = createStreamSink(out);
  const stop = new AbortController();
  const write = sink.write(0, Buffer.alloc(10), stop.signal);
  stop.abort();
  await expect(write).rejects.toThrow("aborted");
});

it("given up, the other side sees it cut", async () => {
  const out = new PassThrough();
  const all = buffer(out);
  const sink = createStreamSink(out);
  await sink.write(0, Buffer.from("half"));
  await sink[Symbol.asyncDispose]();
  await expect(all).rejects.toThrow();
});
