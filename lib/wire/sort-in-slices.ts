/** Sorting of lists whose length and whose texts a peer chooses, with turns for others in between. */
import { Slices } from "./slices.ts";

/** Items that are sorted, or put in order by merging, between two looks at the time. */
const AT_ONCE = 256;

/** A new list. Those that are equal keep their order. */
export async function sortInSlices<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
  signal?: AbortSignal,
): Promise<T[]> {
  const slices = new Slices();
  let sorted: T[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    for (const item of items.slice(at, at + AT_ONCE).sort(compare)) sorted.push(item);
    if (slices.over) await slices.rest(signal);
  }
  for (let length = AT_ONCE; length < sorted.length; length *= 2) {
    const merged: T[] = [];
    for (let from = 0; from < sorted.length; from += 2 * length) {
      const end = Math.min(from + 2 * length, sorted.length);
      const middle = Math.min(from + length, end);
      for (let [left, right] = [from, middle]; left < middle || right < end; ) {
        const takesLeft = right >= end || (left < middle && compare(sorted[left] as T, sorted[right] as T) <= 0);
        merged.push(sorted[takesLeft ? left++ : right++] as T);
        if (merged.length % AT_ONCE === 0 && slices.over) await slices.rest(signal);
      }
    }
    sorted = merged;
  }
  return sorted;
}

/** By their names or the like, as people order them. */
export function sortByText<T>(items: readonly T[], textOf: (item: T) => string, signal?: AbortSignal): Promise<T[]> {
  const { compare } = new Intl.Collator();
  return sortInSlices(items, (a, b) => compare(textOf(a), textOf(b)), signal);
}
