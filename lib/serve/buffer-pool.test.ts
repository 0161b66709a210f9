import { afterEach, expect, it, vi } from "vitest";
import { BufferPool } from "./buffer-pool.ts";

afterEach(() => {
  vi.useRealTimers();
});

it("memory is used again, for pieces of any length that fits, and never by two at once", () => {
  const pool = new BufferPool();
  const first = pool.take(100_000);
  const second = pool.take(100_000);
  expect(first.length).toBe(100_000);
  expect(first.buffer).not.toBe(second.buffer);
  pool.give(first);
  const third = pool.take(131_072);
  expect(third.buffer).toBe(first.buffer);
  expect(third.length).toBe(131_072);
  expect(pool.take(10).buffer).not.toBe(first.buffer);
});

it("it keeps no more than its share, and nothing that is not its own", () => {
  const pool = new BufferPool();
  const taken = Array.from({ length: 80 }, () => pool.take(1_048_576));
  for (const buffer of taken) pool.give(buffer);
  pool.give(Buffer.alloc(1_048_576));
  const again = new Set(Array.from({ length: 80 }, () => pool.take(1_048_576).buffer));
  expect(taken.filter(({ buffer }) => again.has(buffer)).length).toBe(64);
});

it("goes back to the system when nobody needs it for a while", () => {
  vi.useFakeTimers();
  const pool = new BufferPool();
  const held = pool.take(1_048_576);
  pool.give(pool.take(1_048_576));
  vi.advanceTimersByTime(6000);
  pool.give(held);
  vi.advanceTimersByTime(6000);
  expect(pool.keptBytes).toBe(2 * 1_048_576);
  vi.advanceTimersByTime(6000);
  expect(pool.keptBytes).toBe(0);
});
