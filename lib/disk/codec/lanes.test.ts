import { setTimeout as wait } from "node:timers/promises";
import { expect, it, vi } from "vitest";
import { Lanes } from "./lanes.ts";

it("no more calls at once than there are lanes, first come first served, and a failure gives its lane back", async () => {
  let made = 0;
  const lanes = new Lanes(
    () => made++,
    () => undefined,
  );
  const busy = new Set<number>();
  let most = 0;
  const order: number[] = [];
  const calls = Array.from({ length: 40 }, (_, i) =>
    lanes.run(async (lane) => {
      expect(busy.has(lane)).toBe(false);
      busy.add(lane);
      most = Math.max(most, busy.size);
      order.push(i);
      await wait(1);
      busy.delete(lane);
      if (i % 7 === 0) throw new Error("failed");
    }),
  );
  const outcomes = await Promise.allSettled(calls);
  expect(outcomes.filter((one) => one.status === "rejected")).toHaveLength(6);
  expect(order).toEqual([...order].sort((a, b) => a - b));
  expect(most).toBe(made);
  expect(most).toBeLessThan(40);
});

it("what lanes hold is given back when nobody has come for a while", async () => {
  vi.useFakeTimers();
  try {
    const ended: string[] = [];
    const lanes = new Lanes(
      () => "context",
      (lane) => ended.push(lane),
    );
    lanes.now(() => undefined);
    vi.advanceTimersByTime(1500);
    lanes.now(() => undefined);
    vi.advanceTimersByTime(1500);
    expect(ended).toEqual([]);
    vi.advanceTimersByTime(1000);
    expect(ended).toEqual(["context"]);
    expect(lanes.now((lane) => lane)).toBe("context");
  } finally {
    vi.useRealTimers();
  }
});
