import { expect, it } from "vitest";
import { readWindows } from "./read-windows.ts";

const CONTENT = Buffer.from(Array.from({ length: 95 }, (_, at) => at));

function windows(fetched: number[], answer = async (bytes: Buffer): Promise<Buffer> => bytes) {
  return readWindows({
    size: CONTENT.length,
    window: 10,
    kept: 4,
    ahead: 2,
    fetch: (index) => {
      fetched.push(index);
      return answer(CONTENT.subarray(index * 10, index * 10 + 10));
    },
  });
}

it("gives any range, fetches ahead in order only, and keeps what was used last", async () => {
  const fetched: number[] = [];
  const file = windows(fetched);
  const read = async (offset: number, length: number): Promise<number[]> => {
    const into = Buffer.alloc(length);
    await file.read(offset, into);
    return [...into];
  };
  expect(await read(0, 5)).toEqual([0, 1, 2, 3, 4]);
  expect(fetched).toEqual([0, 1, 2]);
  expect(await read(87, 8)).toEqual([87, 88, 89, 90, 91, 92, 93, 94]);
  // Not ahead of a jump, nor behind the end.
  expect(fetched).toEqual([0, 1, 2, 8, 9]);
  await read(15, 1);
  expect(fetched).toHaveLength(5);
  await read(0, 1);
  expect(fetched).toEqual([0, 1, 2, 8, 9, 0]);
});

it("asks again for a window that failed, and lets go of a reader at once", async () => {
  const fetched: number[] = [];
  const never = windows(fetched, () => new Promise(() => undefined));
  const stop = new AbortController();
  const waiting = never.read(0, Buffer.alloc(1), stop.signal);
  stop.abort(new Error("cancelled"));
  await expect(waiting).rejects.toThrow("cancelled");

  let failures = 1;
  const file = windows([], async (bytes) => {
    if (failures-- > 0) throw new Error("cut");
    return bytes;
  });
  await expect(file.read(50, Buffer.alloc(1))).rejects.toThrow("cut");
  const into = Buffer.alloc(1);
  await file.read(50, into);
  expect(into[0]).toBe(50);
});
