import { expect, it } from "vitest";
import { formatRate } from "./rate.ts";

it.each([
  [0, "0 B/s"],
  [999, "999 B/s"],
  [1500, "1.5 kB/s"],
  [212_000_000, "212 MB/s"],
  [999_999_999, "1.0 GB/s"],
  [1_557_000_000, "1.6 GB/s"],
  [null, "–"],
])("%s → %s", (rate, text) => expect(formatRate(rate)).toBe(text));
