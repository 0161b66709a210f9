import { expect, it } from "vitest";
import { sortByText, sortInSlices } from "./sort-in-slices.ts";

it.each([0, 1, 255, 256, 257, 512, 513, 5000])(
  "%d items are in order, and equal ones in the order that they had",
  async (count) => {
    const items = Array.from({ length: count }, (_, i) => ({ key: (i * 7919) % 97, place: i }));
    const expected = [...items].sort((a, b) => a.key - b.key);
    expect(await sortInSlices(items, (a, b) => a.key - b.key)).toEqual(expected);
  },
);

it("orders names as people do", async () => {
  const names = ["b", "Ä", "a", "z", "B"].map((name) => ({ name }));
  expect(await sortByText(names, ({ name }) => name)).toEqual([...names].sort((a, b) => a.name.localeCompare(b.name)));
});

it("ends when it is called off", async () => {
  const slow = Array.from({ length: 20_000 }, (_, i) => ({ name: `${"a".repeat(500)}${i}` })).reverse();
  await expect(sortByText(slow, ({ name }) => name, AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
});
